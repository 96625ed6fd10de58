package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// TestManifests holds the command lines of deploy/kubernetes to the commands that there are.
func TestManifests(t *testing.T) {
	files, err := filepath.Glob("../../deploy/kubernetes/*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	type container struct{ Args []string }
	met := map[string]bool{}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, doc := range strings.Split(string(text), "\n---\n") {
			var w struct {
				Spec struct {
					Template struct {
						Spec struct{ InitContainers, Containers []container }
					}
				}
			}
			if err := yaml.Unmarshal([]byte(doc), &w); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for _, c := range append(w.Spec.Template.Spec.InitContainers, w.Spec.Template.Spec.Containers...) {
				command, rest, err := Commands().Find(c.Args)
				if err == nil {
					err = command.ParseFlags(rest)
				}
				if err == nil {
					err = command.ValidateArgs(command.Flags().Args())
				}
				if err != nil {
					t.Errorf("%s: %q: %v", name, c.Args, err)
					continue
				}
				met[command.CommandPath()] = true
			}
		}
	}
	for _, want := range []string{"kverify watch", "kverify mirror create", "kverify mirror serve", "kverify images"} {
		if !met[want] {
			t.Errorf("no manifest runs %s", want)
		}
	}
}
