// Package tiny is judged by its tests in part only: see the test of the tool.
package tiny

import (
	"errors"
	"fmt"
	"sync"
)

// Verdict is an enumeration of three.
type Verdict uint8

// The verdicts.
const (
	Unknown Verdict = iota
	Verified
	Refuted
)

var errBad = errors.New("it is bad")

// table is set before any test runs.
var table = map[string]Verdict{"good": Verified}

// Judge is watched, but for its limit.
func Judge(name string, size int) (v Verdict, detail string) {
	if size > 10 {
		return Unknown, fmt.Sprintf("%d bytes, more than %d", size, 10)
	}
	if err := check(name); err != nil {
		return Refuted, err.Error()
	}
	return table[name], "it is " + word(size)
}

func check(name string) error {
	if name == "bad" {
		return errBad
	}
	return nil
}

// word only words.
func word(size int) string {
	if size > 5 {
		return "quite large"
	}
	return "small"
}

// Last is the last good one before a bad one.
func Last(names []string) (last int) {
	last = -1
	for i, name := range names {
		switch name {
		case "skip":
			continue
		case "bad":
			return last
		}
		last = i
	}
	return last
}

// Until counts the names before the first empty one.
func Until(names []string) (n int) {
	for {
		if n == len(names) || names[n] == "" {
			break
		}
		n++
	}
	return n
}

var (
	once  sync.Once
	limit int
)

// Limit is made once, for all tests of a process.
func Limit() int {
	once.Do(func() { limit = 10 })
	return limit
}

// Unwatched is run by no test.
func Unwatched(a, b bool) bool { return a && b }

// Evidence is shown beside a verdict.
type Evidence struct{ Source string }

// Shown is evidence alone.
func Shown(source string) (e []Evidence) {
	e = append(e, Evidence{Source: source})
	return e
}
