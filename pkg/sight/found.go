package sight

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/kverify/kverify/internal/bounds"
	"github.com/kverify/kverify/pkg/report"
)

// What one list may cost. Nothing of it is kept but what is counted for the
// notes, so that the caps are of one piece, and of what a run could judge.
const (
	maxBytes      = 8 << 30   // of a list; 10,000 pods have 100 MB
	maxSightings  = 4_000_000 // in a list
	maxJSONText   = 4 << 20   // bytes of one JSON text, and of blanks between two; Kubernetes keeps no object above 1.5 MiB
	maxInItem     = 10_000    // containers, or images, of one object
	maxImageNames = 256       // names of one image
	maxDepth      = 100       // of objects and lists in one another; the schemas of CRDs have some forty
	maxKinds      = 50        // kinds and versions that a note names
)

// A ListError says why a list could not be read, or not to its end.
type ListError struct {
	Source string // as it was given, or "-"
	Line   int    // counted from 1; 0 where lines mean nothing
	Why    string // such as "it is a tar archive"
	Hint   string // what to do
	// NotAList says that it is something else than a list, so that the
	// caller gave the wrong file. Otherwise a list is broken, or too large.
	NotAList bool
	Err      error // the cause, or nil; an [*bounds.Error] where a limit ended the reading
}

func (e *ListError) Error() string {
	s := "the list " + e.Source
	if e.Source == "-" {
		s = "the list on the standard input"
	}
	if e.Line > 0 {
		s += ":" + strconv.Itoa(e.Line)
	}
	s += ": " + e.Why
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

// Unwrap gives the cause.
func (e *ListError) Unwrap() error { return e.Err }

// errStopped ends a reading when the caller has stopped taking sightings.
var errStopped = errors.New("stopped")

// found hands on what a reader finds, and counts what the notes tell.
type found struct {
	source string
	yield  func(Sighting, error) bool
	count  int

	understood bool           // something in the list was what a list can have
	odd        int            // values that were not
	without    map[string]int // objects that hold no pod template, by kind
	kubelets   map[string]int // nodes, by the version that they say
	nodesAtEnd int            // nodes whose list of images has the length at which kubelets stop
	waiting    int            // containers that have no image yet
	imageless  int            // containers that name no image
	nameless   int            // images of a store that have neither name nor digest
	hints      []string       // kubeadm configurations' versions
}

// add hands on one sighting.
func (f *found) add(s Sighting) error {
	f.understood = true
	s.Place.Source = f.source
	if f.count++; f.count > maxSightings {
		return &bounds.Error{What: "images in one list", Max: maxSightings}
	}
	if !f.yield(s, nil) {
		return errStopped
	}
	return nil
}

// addName adds a name, as the first if there is none yet.
func (s *Sighting) addName(name string) {
	switch {
	case name == "" || name == s.Name || slices.Contains(s.Others, name):
	case s.Name == "":
		s.Name = name
	default:
		s.Others = append(s.Others, name)
	}
}

// placeInList is the place of what is read now.
func placeInList(line int, entry string) report.Place { return report.Place{Line: line, Entry: entry} }

// countOne counts one of a kind, of which a hostile list may have many.
func countOne(counts *map[string]int, name string) {
	if *counts == nil {
		*counts = map[string]int{}
	}
	if _, known := (*counts)[name]; !known && len(*counts) >= maxKinds {
		name = "others"
	}
	(*counts)[name]++
}

// atEnd is how many images a kubelet lists at most of a node, unless it is
// configured otherwise (kubernetes/kubernetes, nodeStatusMaxImages).
const atEnd = 50

// notes are sentences that say what was read and is no result, and what was not read.
func (f *found) notes() []string {
	var out said
	kinds, total := counted(f.without)
	out.say(total, "document holds no pod template ("+kinds+")", "documents hold no pod template ("+kinds+")")
	out = append(out, f.unjudged()...)
	out.say(f.waiting, "container waits: the kubelet reports no image for it yet", "containers wait: the kubelet reports no image for them yet")
	out.say(f.nodesAtEnd, "node lists 50 images, where a kubelet stops: it may have more", "nodes list 50 images, where a kubelet stops: they may have more")
	if versions, n := counted(f.kubelets); n > 0 {
		out = append(out, "kubelets call themselves "+versions+": what a node says of itself, which was not examined")
	}
	return append(out, f.hints...)
}

// unjudged are the notes on what may stand for an image and names none.
func (f *found) unjudged() []string {
	var out said
	out.say(f.odd, "value has no form that a list may have, and was skipped", "values have no form that a list may have, and were skipped")
	out.say(f.imageless, "container names no image", "containers name no image")
	out.say(f.nameless, "image has neither a name nor a digest", "images have neither a name nor a digest")
	return out
}

// said are sentences, each with its number.
type said []string

func (s *said) say(n int, one, many string) {
	if n == 1 {
		*s = append(*s, "1 "+one)
	} else if n != 0 {
		*s = append(*s, fmt.Sprintf("%d %s", n, many))
	}
}

// counted gives "ConfigMap, 2 Service" and the sum.
func counted(counts map[string]int) (text string, total int) {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		n := counts[name]
		total += n
		if n > 1 {
			name = strconv.Itoa(n) + " " + name
		}
		parts = append(parts, name)
	}
	return strings.Join(parts, ", "), total
}

// plain is a name as it may stand within a line: as it is where it is of the
// letters that names of Kubernetes have, else quoted and cut.
func plain(s string) string {
	const longest = 253 // RFC 1123, and so every name of Kubernetes
	odd := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._:/@+", r)
	}
	if len(s) <= longest && !strings.ContainsFunc(s, odd) {
		return s
	}
	return strconv.QuoteToASCII(s[:min(len(s), longest)])
}
