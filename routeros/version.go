package routeros

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
)

// Version is a RouterOS version: 6.49.13, 7.17rc3, 7.17_ab13.
type Version struct {
	Major, Minor, Patch int
	// Stage is "alpha", "beta" or "rc" with its number, for a version before the release; else
	// empty.
	Stage       string
	StageNumber int
	// Build names a development build of the version, such as "ab13"; otherwise empty.
	Build string
}

var versionPattern = regexp.MustCompile(`^(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?(?:(alpha|beta|rc)(\d{1,4}))?(?:_([a-z]{1,8}\d{1,6}))?(?: \(.*\))?$`)

// ParseVersion reads what /system/resource prints, with or without the channel in
// parentheses: "7.20.1 (stable)" (routeros-facts § 8).
func ParseVersion(s string) (Version, error) {
	m := versionPattern.FindStringSubmatch(s)
	if m == nil {
		return Version{}, badValue("RouterOS version", s, "a version such as 7.20.1 is expected")
	}
	number := func(s string) int { n, _ := strconv.Atoi(s); return n }
	return Version{number(m[1]), number(m[2]), number(m[3]), m[4], number(m[5]), m[6]}, nil
}

// Compare orders versions by age: builds on the way, alpha, beta, rc, release.
func (v Version) Compare(o Version) int {
	return cmp.Or(
		cmp.Compare(v.Major, o.Major), cmp.Compare(v.Minor, o.Minor), cmp.Compare(v.Patch, o.Patch),
		cmp.Compare(v.stageRank(), o.stageRank()), cmp.Compare(v.StageNumber, o.StageNumber),
		-cmp.Compare(min(1, len(v.Build)), min(1, len(o.Build))), cmp.Compare(len(v.Build), len(o.Build)), cmp.Compare(v.Build, o.Build),
	)
}

func (v Version) stageRank() int {
	switch v.Stage {
	case "alpha":
		return 0
	case "beta":
		return 1
	case "rc":
		return 2
	}
	if v.Build != "" {
		return -1
	}
	return 3
}

// AtLeast reports whether the version is major.minor or later. A beta or rc of that
// version counts: features arrive in them.
func (v Version) AtLeast(major, minor int) bool {
	return cmp.Or(cmp.Compare(v.Major, major), cmp.Compare(v.Minor, minor)) >= 0
}

// String prints the version as the router does, without the channel.
func (v Version) String() string {
	s := fmt.Sprintf("%d.%d", v.Major, v.Minor)
	if v.Patch > 0 {
		s += fmt.Sprintf(".%d", v.Patch)
	}
	if v.Stage != "" {
		s += v.Stage + strconv.Itoa(v.StageNumber)
	}
	if v.Build != "" {
		s += "_" + v.Build
	}
	return s
}
