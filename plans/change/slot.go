package change

import "strings"

// ForgedSlot begins the slot of a rule that drops forged knocks.
const ForgedSlot = "bogons/knock-"

// IsForged reports whether a rule with this slot is about forged sources alone: it drops their
// knocks, or keeps trust from them.
func IsForged(slot string) bool {
	return strings.HasPrefix(slot, ForgedSlot) || strings.Contains(slot, "/forged-")
}
