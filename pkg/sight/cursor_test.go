package sight

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/kverify/kverify/internal/bounds"
)

// Of texts and names no more is kept than any that is read can have, and of names no more than a list's few.
func TestWhatIsKeptOfJSON(t *testing.T) {
	for n, want := range map[int]int{0: 0, maxKept - 1: maxKept - 1, maxKept: maxKept, maxKept + 1: maxKept, 5000: maxKept} {
		c := newJSONCursor(t.Context(), strings.NewReader(`"`+strings.Repeat("x", n)+`"`))
		if s, err := c.text(); err != nil || len(s) != want {
			t.Errorf("of %d bytes %d are kept: %v", n, len(s), err)
		}
	}
	var names []string
	c := newJSONCursor(t.Context(), strings.NewReader(`{"`+strings.Repeat("x", 253)+`":1,"`+strings.Repeat("x", 254)+`":1,"`+strings.Repeat("x", 3000)+`":1,"im\u0061ge":1}`))
	if err := c.object(every, func(name string) error {
		names = append(names, name)
		return c.skip()
	}); err != nil || len(names) != 4 || len(names[0]) != 253 || len(names[1]) != 254 || len(names[2]) > longestName || names[3] != "image" || len(c.names) != 3 {
		t.Errorf("%d names are kept: %q, %v", len(c.names), names, err)
	}
	var many strings.Builder
	for i := range maxKnown + 100 {
		fmt.Fprintf(&many, `,"n%d":1`, i)
	}
	c = newJSONCursor(t.Context(), strings.NewReader("{"+many.String()[1:]+"}"))
	if err := c.object(every, func(string) error { return c.skip() }); err != nil || len(c.names) != maxKnown {
		t.Errorf("%d names are kept: %v", len(c.names), err)
	}
}

// A source is read as far as one text may reach, and a list as far as any may; what ended it once ends it again.
func TestLeash(t *testing.T) {
	broken := errors.New("broken")
	for _, tt := range []struct {
		read, until int64
		n           int // bytes that are given
		limit       int64
	}{
		{0, 4, 4, 0}, {0, 100, 5, 0}, {3, 4, 1, 0}, {4, 4, 0, maxJSONText}, {5, 4, 0, maxJSONText}, {maxBytes - 1, 1 << 60, 5, 0}, {maxBytes, 1 << 60, 0, maxBytes}, {maxBytes + 1, 1 << 60, 0, maxBytes},
	} {
		l := &leash{ctx: t.Context(), r: io.MultiReader(strings.NewReader("12345"), iotest.ErrReader(broken)), read: tt.read, until: tt.until}
		n, err := l.Read(make([]byte, 10))
		var limit *bounds.Error
		if n != tt.n || errors.As(err, &limit) != (tt.limit > 0) || limit != nil && limit.Max != tt.limit || l.read != tt.read+int64(n) {
			t.Errorf("%+v: %d, %v", tt, n, err)
		}
	}
	l := &leash{ctx: t.Context(), r: &once{err: broken}, until: 100}
	for range 2 {
		if n, err := l.Read(make([]byte, 10)); n != 0 || !errors.Is(err, broken) {
			t.Errorf("%d, %v", n, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if n, err := (&leash{ctx: ctx, r: strings.NewReader("x"), until: 100}).Read(make([]byte, 10)); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d, %v", n, err)
	}
}

// once fails once.
type once struct{ err error }

func (o *once) Read(p []byte) (int, error) {
	err := o.err
	o.err = nil
	return 0, err
}
