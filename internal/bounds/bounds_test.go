package bounds

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

func TestJSONPrices(t *testing.T) {
	p := Price{Item: 1000, Object: 100, Value: 1}
	for text, cost := range map[string]int64{
		`{}`:                     100,
		`{"a":[{},{}]}`:          100 + 1 + 1 + 2*1000 + 1,
		`{"a":{"b":{}}}`:         100 + 1 + 100 + 1 + 1000,
		`{"a":"[{,:\"{"}`:        100 + 1,
		`[[[[{}]]]]`:             4 + 100,
		`{"a":[{"b":[{}, {}]}]}`: 100 + 1 + 1 + 1000 + 1 + 1 + 200 + 1,
	} {
		if err := JSON([]byte(text), p, cost); err != nil {
			t.Errorf("%s costs more than %d", text, cost)
		}
		var tooMuch *Error
		if err := JSON([]byte(text), p, cost-1); !errors.As(err, &tooMuch) {
			t.Errorf("%s costs less than %d", text, cost)
		}
	}
}

func TestRead(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	for _, n := range []int{0, 1, 64 << 10, 64<<10 + 1, 300 << 10} {
		text := bytes.Repeat([]byte("x"), n)
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, most := range []int{n - 1, n, n + 1} {
			f, err := os.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range []interface{ Read([]byte) (int, error) }{f, bytes.NewReader(text), iotest.OneByteReader(bytes.NewReader(text))} {
				got, err := Read(r, int64(most))
				if fits := most >= n; fits != (err == nil) || fits && !bytes.Equal(got, text) {
					t.Errorf("%d bytes of at most %d: %d, %v", n, most, len(got), err)
				}
			}
			f.Close()
		}
	}
}

// FuzzJSON: what is priced as nothing holds nothing that could cost.
func FuzzJSON(f *testing.F) {
	f.Add([]byte(`{"a":[{"b":[{}, {}]}]}`))
	f.Add([]byte(`{"a":"[{,:\"{\\"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if !json.Valid(text) || JSON(text, Price{1, 1, 1}, 0) != nil {
			return
		}
		if s := strings.TrimSpace(string(text)); strings.HasPrefix(s, "{") || strings.HasPrefix(s, "[") {
			t.Errorf("%q costs nothing", text)
		}
	})
}
