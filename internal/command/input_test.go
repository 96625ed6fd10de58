package command

import "testing"

// TestIsLocal holds both systems' rules on any system.
func TestIsLocal(t *testing.T) {
	unix := func(c uint8) bool { return c == '/' }
	windows := func(c uint8) bool { return c == '/' || c == '\\' }
	for _, c := range []struct {
		what, volume      string // the volume as Windows names it
		onUnix, onWindows bool
	}{
		{"./kubectl", "", true, true},
		{"../kubectl", "", true, true},
		{".", "", true, true},
		{"..", "", true, true},
		{"/tmp/kubectl", "", true, true},
		{`.\kubectl`, "", false, true},
		{`..\kubectl`, "", true, true},
		{`\kubectl`, "", false, true},
		{`C:\kubectl`, "C:", false, true},
		{"C:/kubectl", "C:", false, true},
		{"C:kubectl", "C:", false, true},
		{`\\host\share\kubectl`, `\\host\share`, false, true},
		{"", "", false, false},
		{"v1.27.2", "", false, false},
		{"1.27", "", false, false},
		{"kubectl", "", false, false},
		{"release/kubectl", "", false, false},
		{".kubectl", "", false, false},
		{"registry.k8s.io/kube-proxy:v1.27.2", "", false, false},
		{"localhost:5000/kube-proxy", "", false, false},
		{"sha256:0123", "", false, false},
	} {
		if got := writtenAsPath(c.what, "", unix); got != c.onUnix {
			t.Errorf("on Unix, %q is written as a path: %v", c.what, got)
		}
		if got := writtenAsPath(c.what, c.volume, windows); got != c.onWindows {
			t.Errorf("on Windows, %q is written as a path: %v", c.what, got)
		}
	}
}
