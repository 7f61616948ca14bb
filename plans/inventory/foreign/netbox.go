package foreign

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// device is a device of NetBox, from either of its forms.
type device struct {
	place        string
	name         string
	status       string
	manufacturer string
	platform     string
	address      string
	site, role   string
	tags         []string
	note         string
	vars         map[string]string
}

// device adds a device to the list, or says why not. A site becomes the variable site and the group
// site-<slug>, so that it can be selected and used; so does a role.
func (c *collector) device(d device, number int) error {
	label := cmp.Or(cleanName(d.name), fmt.Sprintf("device %d", number))
	if why := d.refused(); why != "" {
		c.skip(d.place, label, why)
		return nil
	}
	where, err := parseAddress(d.address)
	if err != nil {
		why := err.Error()
		if d.address == "" {
			why = "it has no primary IP address: set one in NetBox"
		}
		c.skip(d.place, label, why)
		return nil
	}
	r := Router{Address: where.String(), Tags: d.tags, Note: d.note, Place: d.place, Vars: d.vars}
	if r.Vars == nil {
		r.Vars = map[string]string{}
	}
	for _, part := range [][2]string{{"site", d.site}, {"role", d.role}} {
		if value := slug(part[1]); value != "" {
			r.Groups = append(r.Groups, part[0]+"-"+value)
			r.Vars[part[0]] = value
		}
	}
	if len(r.Vars) == 0 {
		r.Vars = nil
	}
	return c.add(r, d.name, where.host)
}

// refused says why a device is no router to manage, in words that quote only names.
func (d device) refused() string {
	status, maker, platform := slug(d.status), slug(d.manufacturer), slug(d.platform)
	switch {
	case status == "":
		return "it has no status, so it may be out of service"
	case status != "active":
		return "its status is " + status + ", not active"
	case d.manufacturer != "" && maker != "mikrotik":
		return "its manufacturer is " + cmp.Or(maker, "another one") + ", not MikroTik"
	case slices.ContainsFunc([]string{"swos", "switchos"}, func(s string) bool { return strings.HasPrefix(platform, s) }):
		return "its platform is SwOS, which has no API"
	}
	return ""
}
