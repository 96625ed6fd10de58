package release

import (
	"fmt"
	"strings"
	"testing"
)

// Whatever pieces a program's bytes come in, each version is counted once where it stands.
func TestSaid(t *testing.T) {
	text := []byte(strings.Repeat("x", 50) + "v1.27.2 golang.org/x/net v1.3.0 v1.27.2" + strings.Repeat("\x00", 30) + "v1.28.0-rc.1, v1.27.2 v1.28.0-rc.1")
	for _, piece := range []int{1, 2, 3, 7, 19, 20, 21, 64, 1 << 20} {
		var s Said
		for rest := text; len(rest) > 0; {
			n := min(piece, len(rest))
			if _, err := s.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if got := fmt.Sprint(s.Versions(3), s.Versions(1)); got != "[v1.27.2 v1.28.0-rc.1] [v1.27.2]" {
			t.Errorf("in pieces of %d: %s", piece, got)
		}
	}
}
