package main

import (
	"os"
	"time"

	"github.com/kverify/kverify/internal/world/sigstore"
	"github.com/rogpeppe/go-internal/testscript"
)

// released signs a file as the release workflow does, which GitHub's token names by its
// URL and its tag, with a Sigstore of the test's own. SECURITY.md and the workflow come
// along, so that a script holds what is said to what is done.
func released(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: released WORKFLOW@REF FILE")
	}
	s := sigstore.NewSigstore("releases of kverify")
	signed := s.Sign([]byte(ts.ReadFile(args[1])), sigstore.Signing{
		Identity: args[0], Issuer: "https://token.actions.githubusercontent.com", Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	})
	for name, text := range map[string][]byte{args[1] + ".sigstore.json": signed.Bundle("0.3"), "root.json": s.TrustedRootJSON()} {
		ts.Check(os.WriteFile(ts.MkAbs(name), text, 0o644))
	}
	for from, to := range map[string]string{"../../SECURITY.md": "SECURITY.md", "../../.github/workflows/release.yml": "release.yml"} {
		text, err := os.ReadFile(from)
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(to), text, 0o644))
	}
}
