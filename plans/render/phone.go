package render

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/routeros"
)

// What follows is what Knock on Ports, a client for Android, writes when it exports sequences, and
// reads in its menu "Import": version 1 of its format. Only keys are used that all versions 2 know,
// for a word that one does not know makes it refuse the whole file.
type (
	phoneFile struct {
		Version   int             `json:"version"`
		Sequences []phoneSequence `json:"sequences"`
	}
	phoneSequence struct {
		Name     string      `json:"name"`
		Host     string      `json:"host"`
		Delay    int         `json:"delay"` // between two packets, in milliseconds
		ICMPType string      `json:"icmp_type,omitempty"`
		Families string      `json:"ipv"`
		Steps    []phoneStep `json:"steps"`
	}
	phoneStep struct {
		Type     string `json:"type"`
		Port     uint16 `json:"port,omitempty"`
		Size     *int   `json:"icmp_size,omitempty"` // as icmp_type counts it
		Count    int    `json:"icmp_count,omitempty"`
		Content  string `json:"content,omitempty"`
		Encoding string `json:"encoding,omitempty"`
	}
)

// phoneDelay is between two packets, in milliseconds: enough for them to arrive in order.
const phoneDelay = 200

// KnockOnPorts returns a file that Knock on Ports imports: a sequence for each door.
func KnockOnPorts(clients []Client) (string, error) {
	file := phoneFile{Version: 1}
	for _, c := range clients {
		s, err := sequenceOf(c)
		if err != nil {
			return "", err
		}
		file.Sequences = append(file.Sequences, s)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(file)
	return b.String(), err
}

// sequenceOf is a door as a sequence of packets. A ping is sized by the router as a whole packet,
// whose headers depend on the family, and by the app without them: with a ping, one family is
// chosen.
func sequenceOf(c Client) (phoneSequence, error) {
	s := phoneSequence{Name: c.Plan + " " + c.Door.Name, Host: c.Host, Delay: phoneDelay, Families: "prefer_ipv4"}
	headers := 28
	pings := slices.ContainsFunc(c.Door.Knock, func(s plans.Stage) bool { return s.Protocol == "icmp" })
	switch six := slices.Equal(c.Families, []routeros.Family{routeros.IPv6}); {
	case six:
		s.Families, headers = "only_ipv6", 48
	case pings || slices.Equal(c.Families, []routeros.Family{routeros.IPv4}):
		s.Families = "only_ipv4"
	}
	if pings {
		s.ICMPType = "without_headers"
	}
	for n, stage := range c.Door.Knock {
		step := phoneStep{Type: stage.Protocol, Port: stage.Port}
		switch {
		case stage.Payload != "": // every byte as it is
			step.Content, step.Encoding = base64.StdEncoding.EncodeToString([]byte(stage.Payload)), "base64"
		case stage.Protocol == "udp":
			step.Content, step.Encoding = "x", "raw"
		}
		if stage.Protocol == "icmp" {
			size := int(stage.Size) - headers
			if size < 0 {
				return s, &CannotError{PhoneApp, c.Door.Name, fmt.Sprintf("stage %d is a ping that is smaller than the headers of IPv6: use a larger one", n+1)}
			}
			step.Size, step.Count = &size, 1
		}
		s.Steps = append(s.Steps, step)
	}
	return s, nil
}

// Page returns a page from which a phone gets a file for Knock on Ports: as a QR code to scan from
// a screen, and as a link that saves it where the page is opened on the phone itself. It loads
// nothing and runs no script.
func Page(clients []Client) (string, error) {
	file, err := KnockOnPorts(clients)
	if err != nil {
		return "", err
	}
	code, err := code(strings.TrimSpace(file))
	if err != nil {
		return "", &CannotError{QR, clients[0].Door.Name, fmt.Sprintf("%d bytes are too many for a QR code: choose one door with --door, or hand over the file itself with --format %s", len(file), PhoneApp)}
	}
	name := clients[0].Plan
	if len(clients) == 1 {
		name += "-" + clients[0].Door.Name
	}
	var remarks []string
	for _, c := range clients {
		remarks = append(remarks, fmt.Sprintf("It knocks at the %s: %s, to %s.", c.of(), packets(len(c.Door.Knock)), c.Host))
		if c.Window != nil {
			remarks = append(remarks, c.Window.remark()+" The app can't follow it: make this page anew then.")
		}
	}
	var b strings.Builder
	err = pageOf().Execute(&b, map[string]any{"Name": name, "Code": code, "Remarks": remarks, "File": base64.StdEncoding.EncodeToString([]byte(file))})
	return b.String(), err
}
