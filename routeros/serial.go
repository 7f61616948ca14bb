package routeros

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// SerialMenus are the menus that tell which box a router is, in the order of [ReadSerial]'s
// arguments. The Cloud Hosted Router has no /system/routerboard (routeros-facts § 8).
func SerialMenus() []Menu { return []Menu{RouterBoard, License} }

// ReadSerial returns what tells a router from every other one that has its name, its address or its
// backup: the serial number of MikroTik's own hardware, else the id of the licence, with its kind:
// software-id/ABCD-EFGH of a PC, system-id/… of a Cloud Hosted Router. A router that tells none of
// them has "". What is no plain word of at most 64 characters is told by its digest.
func ReadSerial(routerBoard, license []Attributes) string {
	get := func(rows []Attributes, name string) string {
		if len(rows) == 0 {
			return ""
		}
		return strings.TrimSpace(rows[0].Get(name))
	}
	if serial := get(routerBoard, "serial-number"); serial != "" {
		return plainSerial(serial)
	}
	for _, name := range []string{"software-id", "system-id"} {
		if id := get(license, name); id != "" {
			return name + "/" + plainSerial(id)
		}
	}
	return ""
}

// SerialUntold reports whether the router failed to tell its serial number, so that it may have one.
func (s Snapshot) SerialUntold() bool {
	return s.Serial == "" && slices.ContainsFunc(SerialMenus(), func(m Menu) bool { return slices.Contains(s.Untold, m) })
}

// mostSerial is how long a serial number is that is taken as it stands.
const mostSerial = 64

func plainSerial(text string) string {
	if len(text) <= mostSerial && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return text
	}
	sum := sha256.Sum256([]byte(text))
	return "digest/" + hex.EncodeToString(sum[:16])
}
