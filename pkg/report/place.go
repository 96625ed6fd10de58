package report

import "strconv"

// MaxPlaces is how many places one result lists.
const MaxPlaces = 100

// Place is where something was seen: a line of a list, an entry of an archive,
// a container of a pod.
type Place struct {
	// Source is the file as it was given, or "-" for the standard input.
	Source string `json:"source"`
	Line   int    `json:"line,omitempty"` // counted from 1; 0 where lines mean nothing
	// Entry is the place within it: "blobs/sha256/...", "pod kube-system/etcd-0 container etcd".
	Entry string `json:"entry,omitempty"`
}

// String gives "FILE:LINE", "FILE: ENTRY" or "FILE:LINE: ENTRY". It is not escaped.
func (p Place) String() string {
	s := p.Source
	if p.Line > 0 {
		s += ":" + strconv.Itoa(p.Line)
	}
	if p.Entry != "" {
		s += ": " + p.Entry
	}
	return s
}
