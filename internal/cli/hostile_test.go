package cli

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/trust"
)

// Rule 4: the file that is read is the file that is looked at. A ".." behind a
// link means another directory to the system than to a cleaned path.
func TestHostilePathsOfTheJudge(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "mirror")
	w := world.New(world.Options{})
	if err := w.WriteMirror(dir, []string{"v1.27.2"}, world.MirrorOptions{}); err != nil {
		t.Fatal(err)
	}
	policy := append([]byte("# not the embedded one\n"), trust.EmbeddedPolicyYAML()...)
	for path, body := range map[string][]byte{
		filepath.Join(dir, "policy.yaml"): policy, filepath.Join(base, "policy.yaml"): trust.EmbeddedPolicyYAML(),
		filepath.Join(dir, "root.json"): w.TrustedRootJSON(), filepath.Join(base, "root.json"): w.TrustedRootJSON(),
	} {
		if err := os.WriteFile(path, body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(dir, "oci"), filepath.Join(base, "release")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(base, "policy.yaml"), filepath.Join(dir, "chosen.yaml")); err != nil {
		t.Fatal(err)
	}
	for _, set := range []command.Shared{
		{Mirror: dir, Policy: filepath.Join(dir, "policy.yaml")},
		{Mirror: dir, Policy: base + "/release/../policy.yaml"},
		{Mirror: dir, TrustedRoot: base + "/release/../root.json"},
		{Mirror: base + "/release/..", Policy: base + "/release/../policy.yaml"},
	} {
		if p, r, err := command.TrustedBy(&command.Settings{Shared: set}); err == nil {
			t.Errorf("policy %+v and root %+v are taken from inside the mirror", p.Source(), r.Source())
		}
	}
}
