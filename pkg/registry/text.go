package registry

import (
	"strconv"
	"strings"
)

// oneLine is an error from outside, escaped and clipped.
func oneLine(err error) string { return quoted(err.Error()) }

// quoted escapes words from outside for a terminal, and clips them.
func quoted(s string) string {
	const most = 400
	if len(s) > most {
		s = s[:most] + "..."
	}
	s = strconv.QuoteToASCII(s)
	return strings.ReplaceAll(s[1:len(s)-1], `\"`, `"`)
}
