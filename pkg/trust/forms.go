package trust

import (
	"regexp"
	"strconv"
	"strings"
	"sync"
)

var (
	emailForm  = lazily(`^[a-z0-9][a-z0-9-]*@[a-z0-9][a-z0-9.-]*$`)
	nameForm   = lazily(`^[a-z0-9]+(?:[._-][a-z0-9]+)*$`)
	hostForm   = lazily(`^[a-z0-9][a-z0-9.-]*[a-z0-9]$`)
	minorForm  = lazily(`^1\.(0|[1-9][0-9]{0,3})$`)
	signedForm = lazily(`^v1\.(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})$`)
)

// lazily compiles when it is first asked: not every command reads a policy.
func lazily(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}

func minorNumber(s string) int {
	n, err := strconv.Atoi(strings.TrimPrefix(s, "1."))
	if err != nil {
		return -1
	}
	return n
}
