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

func minorNumber(s string) int {
	n, err := strconv.Atoi(strings.TrimPrefix(s, "1."))
	if err != nil {
		return -1
	}
	return n
}
