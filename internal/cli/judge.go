package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/sigstore"
	"github.com/kverify/kverify/pkg/trust"
	"github.com/kverify/kverify/pkg/vouch"
)

// foreignJudge names a policy and a trusted root that are not built in; empty if both are.
func foreignJudge(policy *trust.Policy, root *trust.Root) string {
	var names []string
	for _, s := range []struct {
		what string
		report.Source
	}{{"policy", policy.Source()}, {"trusted root", root.Source()}} {
		if !s.Embedded {
			names = append(names, fmt.Sprintf("%s %s %s", s.what, s.Path, s.Digest))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "judged by " + strings.Join(names, " and ") + ", not by what is built in"
}

// vouched reads what the operator of a mirror vouches for by a key. The key is
// a judge too, and may not lie in what it judges.
func vouched(set *settings) (*vouch.Word, error) {
	if set.key == "" {
		return nil, nil
	}
	if set.mirror == "" {
		return nil, usagef("--key says who vouches for a mirror, or with --bundle who signed, and neither is named; add --mirror DIR, or leave it out: the policy says who signs Kubernetes")
	}
	text, err := readFile(set.ctx, set.key, maxKeyFile)
	if err != nil {
		return nil, usagef("--key %s: %w; give a public key in PEM", set.key, plainError(err))
	}
	if _, err := sigstore.ParseKey(text); err != nil {
		return nil, usagef("--key %s: %w; give a public key in PEM", set.key, err)
	}
	if err := set.outside("--key", set.key, false); err != nil {
		return nil, err
	}
	dir, err := mirror.Open(set.mirror)
	if err != nil {
		return nil, err
	}
	defer dir.Close() //nolint:errcheck // only read
	list, signature, err := dir.Vouch()
	if err != nil {
		return nil, err
	}
	return vouch.Read(set.key, text, list, signature)
}

// trustedBy reads the policy and the trusted root. What is judged must not
// bring its own judge: neither may lie in the mirror, or in a directory that is
// verified, unless it is the very one that is compiled in.
func trustedBy(set *settings) (policy *trust.Policy, root *trust.Root, err error) {
	par.Do(
		func() { policy = trust.EmbeddedPolicy() },
		func() { root = trust.EmbeddedRoot() },
	)
	if set.policy != "" {
		if policy, err = trust.LoadPolicy(set.policy); err != nil {
			return nil, nil, notTrust("--policy", set.policy, err)
		}
		if err := set.outside("--policy", set.policy, policy.Source().Embedded); err != nil {
			return nil, nil, err
		}
	}
	if set.trustedRoot != "" {
		if root, err = trust.LoadRoot(set.trustedRoot); err != nil {
			return nil, nil, notTrust("--trusted-root", set.trustedRoot, err)
		}
		if err := set.outside("--trusted-root", set.trustedRoot, root.Source().Embedded); err != nil {
			return nil, nil, err
		}
	}
	return policy, root, nil
}

// notTrust words why a file is not a policy or trusted root.
func notTrust(flag, path string, err error) error {
	var file *trust.FileError
	if errors.As(err, &file) {
		return usagef("%s %s is not a %s: %w; correct it, or leave the flag out for the built-in one", flag, path, file.What, file.Err)
	}
	return usagef("%s %s: %w; name a file, or leave the flag out for the built-in one", flag, path, plainError(err))
}
