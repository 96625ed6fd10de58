package command

import (
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/registry"
)

// TestNoPasswordIsEchoed holds that what is wrong with an address is said
// without what is secret in it.
func TestNoPasswordIsEchoed(t *testing.T) {
	for _, in := range []string{
		"registry.k8s.io=https://user:hunter2@h.example/k8s",
		"registry.k8s.io=https://user:hun/hunter2@h.example",
		"registry.k8s.io=https://user:@hunter2@h.example",
		"registry.k8s.io=https://user:#hunter2@h.example",
		"registry.k8s.io=https://hunter2@h.example",
		"registry.k8s.io=https://user:hunter2", // a list cut it at a comma
		"registry.k8s.io=https://user:hunter2%40h.example",
		"registry.k8s.io=https://h.example/?token=hunter2",
		"registry.k8s.io=https://h.example#hunter2",
		"registry.k8s.io=user:hunter2@h.example",
		"https://user:hunter2@h.example=x",
		"user:hunter2@h.example=https://h.example",
		"user:hunter2=@h.example",
		"https://user:hunter2@h.example",
		"hunter2@h.example",
	} {
		if _, _, err := Endpoint(in); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("--endpoint %s: %v", in, err)
		}
		_, url, _ := strings.Cut(in, "=")
		for _, arg := range []string{in, url} {
			if arg == "x" || arg == "@h.example" || arg == "https://h.example" {
				continue
			}
			if _, err := RegistryURL(arg, true); err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("push to %s: %v", arg, err)
			}
		}
	}
	for _, in := range []string{"https://user:hunter2@h.example/k8s/x:v1", "https://u:hunter2@h.example/x@sha256:" + strings.Repeat("0", 64)} {
		if _, err := registry.ParseRef(in); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", in, err)
		}
	}
	for in, want := range map[string]string{
		"registry.k8s.io=https://h.example:5000/k8s": "registry.k8s.io=https://h.example:5000/k8s",
		"registry.k8s.io=https://[fd00::1]:5000":     "registry.k8s.io=https://[fd00::1]:5000",
		"nothing":                                    "nothing",
		"":                                           "",
	} {
		if got := withoutSecrets(in); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
}
