package command

import (
	"fmt"
	"math"
	"strconv"

	"github.com/kverify/kverify/internal/lazyregexp"
)

var sizeText = lazyregexp.New(`^([0-9]{1,18})([kKMGT]?)(i?)B?$`)

// ParseSize reads a number of bytes as people write it: 4GB, 650MB, 4GiB, 1000000. A unit
// with an i is a power of 1024, one without a power of 1000 (IEC 80000-13).
func ParseSize(text string) (int64, error) {
	m := sizeText().FindStringSubmatch(text)
	if len(m) != 4 || m[2] == "" && m[3] != "" {
		return 0, fmt.Errorf("%q is not a size; write one such as 4GB, 650MB or 4GiB", text)
	}
	n, _ := strconv.ParseInt(m[1], 10, 64)
	step := int64(1000)
	if m[3] != "" {
		step = 1024
	}
	times := map[string]int{"": 0, "k": 1, "K": 1, "M": 2, "G": 3, "T": 4}[m[2]]
	for range times {
		if n > math.MaxInt64/step {
			return 0, fmt.Errorf("%q is more than any file can have", text)
		}
		n *= step
	}
	return n, nil
}
