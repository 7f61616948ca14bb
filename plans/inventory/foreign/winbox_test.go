package foreign_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/rosknock/rosknock/plans/inventory/foreign"
)

// field writes a text of an M2 message.
func field(key int, text string) string {
	head := string([]byte{byte(key), byte(key >> 8), byte(key >> 16)})
	if len(text) > 255 {
		return head + "\x20" + string(binary.LittleEndian.AppendUint16(nil, uint16(len(text)))) + text
	}
	return head + "\x21" + string([]byte{byte(len(text))}) + text
}

// cdb writes an address book as WinBox does: each record with its length.
func cdb(messages ...string) []byte {
	out := []byte("\x0d\xf0\x1d\xc0")
	for _, m := range messages {
		out = binary.LittleEndian.AppendUint32(out, uint32(len(m)))
		out = append(out, m...)
	}
	return out
}

// entry is a record with the fields around a router that WinBox writes besides.
func entry(host, login, password, note, group string) string {
	return "M2" + "\x07\x00\x00\x01" + "\x01\x00\xfe\x09\x06" + field(1, host) + field(2, login) + field(3, password) + field(6, "<own>") +
		field(4, note) + field(8, group) + field(0xfe0009, note) + field(12, "<none>")
}

// wbx writes records of an exported address book.
func wbx(records ...[]string) []byte {
	out := []byte("\x0f\x10\xc0\xbe")
	for _, record := range records {
		for i := 0; i+1 < len(record); i += 2 {
			out = binary.LittleEndian.AppendUint16(out, uint16(1+len(record[i])+len(record[i+1])))
			out = append(out, byte(len(record[i])))
			out = append(out, record[i]+record[i+1]...)
		}
		out = append(out, 0, 0)
	}
	return out
}

// TestCDB: what is known of a record is read, and what is not stops only that record.
func TestCDB(t *testing.T) {
	long := strings.Repeat("n", 300)
	data := cdb(
		entry("192.0.2.1", "netops", planted, "Core 1", "Berlin HQ"),
		entry("198.51.100.7:8299", "admin", "", "", ""),
		entry("[2001:db8::1]:8291", "admin", planted, long, "x"),
		entry("E4:8D:8C:00:11:22", "admin", planted, "by mac", ""),
		"M2"+field(1, "192.0.2.9")+field(11, "E4:8D:8C:00:11:22")+field(4, "behind"),
		"M2"+field(1, "192.0.2.10")+field(6, "work")+"\x05\x00\x00\x08\x01\x00\x00\x00"+"\x06\x00\x00\x88\x02\x00\x01\x00\x00\x00\x02\x00\x00\x00"+
			"\x07\x00\x00\xa0\x01\x00\x02\x00ab"+"\x08\x00\x00\x10\x01\x02\x03\x04\x05\x06\x07\x08"+"\x09\x00\x00\x18"+strings.Repeat("\x00", 16)+
			"\x0a\x00\x00\x31\x01z"+"\x0a\x00\x00\x80\x03\x00\x01\x00\x01"+field(2, "late"),
		"M2"+field(1, "192.0.2.11")+"\x01\x00\x00\x77"+planted,
		"not a message "+planted,
		"M2"+field(1, "192.0.2.12")+field(4, "caf\xe9"),
		"M2"+field(2, planted),
	)
	list, err := foreign.Read("Addresses.cdb", append(data, "\xff\x00\x00\x00M2"...), foreign.WinBoxCDB)
	const stay = "passwords are not taken over: set ROSKNOCK_PASSWORD, password: command:… in the inventory, or a keyring\n"
	want := `Core-1 = 192.0.2.1 user="netops" groups=[Berlin-HQ] tags=[] vars=map[] note="Core 1" at Addresses.cdb: record 1
198.51.100.7 = 198.51.100.7 user="admin" groups=[] tags=[] vars=map[] note="" at Addresses.cdb: record 2
` + long[:63] + ` = 2001:db8::1 user="admin" groups=[x] tags=[] vars=map[] note="` + long + `" at Addresses.cdb: record 3
192.0.2.10 = 192.0.2.10 user="late" groups=[] tags=[] vars=map[session:work] note="" at Addresses.cdb: record 6
192.0.2.12 = 192.0.2.12 user="" groups=[] tags=[] vars=map[] note="" at Addresses.cdb: record 9
- Addresses.cdb: record 1: the password of Core-1: ` + stay + `- Addresses.cdb: record 2: this entry: the port in its address is that of WinBox, not of the API: it was left out
- Addresses.cdb: record 3: the password of ` + long[:63] + `: ` + stay + `- Addresses.cdb: record 3: ` + long[:63] + `: the port in its address is that of WinBox, not of the API: it was left out
- Addresses.cdb: record 4: the password of by-mac: ` + stay + `- Addresses.cdb: record 4: by-mac: its address is a MAC address: rosknock needs an IP address or a host name
- Addresses.cdb: record 5: behind: it is reached through a RoMON agent: rosknock needs an address of its own
- Addresses.cdb: record 7: this entry: it is not written as other records are, so nothing of it is taken over
- Addresses.cdb: record 8: this entry: it is not written as other records are, so nothing of it is taken over
- Addresses.cdb: record 9: a text: it is not UTF-8, and the file doesn't say what it is: it was left out
- Addresses.cdb: record 10: this entry: it has no address
- Addresses.cdb: record 11: the rest: the file was cut off here
`
	if got := show(list); err != nil || got != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
	for n := range data { // a file that was cut off anywhere
		if list, err := foreign.Read("x", data[:n], foreign.WinBoxCDB); err == nil {
			sound(t, list, false)
		}
	}
}

// TestWBX reads bytes as a public description of the format shows them, not only what the writer
// above makes.
func TestWBX(t *testing.T) {
	data := []byte("\x0f\x10\xc0\xbe" +
		"\x0b\x00\x04typewindow" + "\x0b\x00\x06bounds\x01\x02\x03\x04" + "\x00\x00" +
		"\x09\x00\x04typeaddr" + "\x0e\x00\x04host192.0.2.1" + "\x0c\x00\x05loginnetops" + "\x0b\x00\x04noteCore 1" +
		"\x0d\x00\x0bsecure-mode\x01" + "\x0a\x00\x08keep-pwd\x01" + "\x0f\x00\x03pwd" + planted + "\x00\x00")
	more := wbx([]string{"type", "addr", "host", "198.51.100.2:9000", "login", "admin", "pwd", "", "group", "Edge", "colour", planted},
		[]string{"host", "router.example.net"}, []string{"type", "addr", "login", planted})[4:]
	list, err := foreign.Read("a.wbx", append(append(data, more...), "\xff\xff"...), foreign.WinBoxWBX)
	want := `Core-1 = 192.0.2.1 user="netops" groups=[] tags=[] vars=map[] note="Core 1" at a.wbx: record 2
198.51.100.2 = 198.51.100.2 user="admin" groups=[Edge] tags=[] vars=map[] note="" at a.wbx: record 3
router.example.net = router.example.net user="" groups=[] tags=[] vars=map[] note="" at a.wbx: record 4
- a.wbx: record 1: this entry: it holds settings of WinBox itself, no router
- a.wbx: record 2: the password of Core-1: passwords are not taken over: set ROSKNOCK_PASSWORD, password: command:… in the inventory, or a keyring
- a.wbx: record 3: the field colour: its meaning is not known; it is left out here and in the records behind
- a.wbx: record 3: this entry: the port in its address is that of WinBox, not of the API: it was left out
- a.wbx: record 5: this entry: it has no address
- a.wbx: record 6: the rest: it is cut off here, or not written as other records are
`
	if got := show(list); err != nil || got != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
	list, err = foreign.Read("x", wbx([]string{strings.Repeat("n", 255), "", "host", "192.0.2.1"}), foreign.WinBoxWBX)
	if err != nil || len(list.Routers) != 1 || len(list.Skipped) != 1 {
		t.Errorf("with the longest name of a field: %v\n%s", err, show(list))
	}
	for n := range data {
		if list, err := foreign.Read("x", data[:n], foreign.WinBoxWBX); err == nil {
			sound(t, list, false)
		}
	}
}
