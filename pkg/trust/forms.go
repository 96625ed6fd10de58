package trust

import (
	"strconv"
	"strings"

	"github.com/kverify/kverify/internal/lazyregexp"
)

var (
	emailForm  = lazyregexp.New(`^[a-z0-9][a-z0-9-]*@[a-z0-9][a-z0-9.-]*$`)
	nameForm   = lazyregexp.New(`^[a-z0-9]+(?:[._-][a-z0-9]+)*$`)
	hostForm   = lazyregexp.New(`^[a-z0-9][a-z0-9.-]*[a-z0-9]$`)
	minorForm  = lazyregexp.New(`^1\.(0|[1-9][0-9]{0,3})$`)
	signedForm = lazyregexp.New(`^v1\.(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,3})$`)
)

// minorNumber is the number in what has the form of a minor.
func minorNumber(s string) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(s, "1."))
	return n
}
