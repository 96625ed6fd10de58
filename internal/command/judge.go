package command

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
func vouched(set *Settings) (*vouch.Word, error) {
	if set.Key == "" {
		return nil, nil
	}
	if set.Mirror == "" {
		return nil, Usagef("--key says who vouches for a mirror, or with --bundle who signed, and neither is named; add --mirror DIR, or leave it out: the policy says who signs Kubernetes")
	}
	text, err := ReadFile(set.Ctx, set.Key, MaxKeyFile)
	if err != nil {
		return nil, Usagef("--key %s: %w; give a public key in PEM", set.Key, PlainError(err))
	}
	if _, err := sigstore.ParseKey(text); err != nil {
		return nil, Usagef("--key %s: %w; give a public key in PEM", set.Key, err)
	}
	if err := set.outside("--key", set.Key, false); err != nil {
		return nil, err
	}
	dir, err := mirror.Open(set.Mirror)
	if err != nil {
		return nil, err
	}
	defer dir.Close() //nolint:errcheck // only read
	list, signature, err := dir.ManifestAndSignature()
	if err != nil {
		return nil, err
	}
	return vouch.Read(set.Key, text, list, signature)
}

// TrustedBy reads the policy and the trusted root. What is judged must not
// bring its own judge: neither may lie in the mirror, or in a directory that is
// verified, unless it is the very one that is compiled in.
func TrustedBy(set *Settings) (policy *trust.Policy, root *trust.Root, err error) {
	par.Do(
		func() { policy = trust.EmbeddedPolicy() },
		func() { root = trust.EmbeddedRoot() },
	)
	if set.Policy != "" {
		if policy, err = trust.LoadPolicy(set.Policy); err != nil {
			return nil, nil, NotTrust("--policy", set.Policy, err)
		}
		if err := set.outside("--policy", set.Policy, policy.Source().Embedded); err != nil {
			return nil, nil, err
		}
	}
	if set.TrustedRoot != "" {
		if root, err = trust.LoadRoot(set.TrustedRoot); err != nil {
			return nil, nil, NotTrust("--trusted-root", set.TrustedRoot, err)
		}
		if err := set.outside("--trusted-root", set.TrustedRoot, root.Source().Embedded); err != nil {
			return nil, nil, err
		}
	}
	return policy, root, nil
}

// Judges reads what a run was told to judge by, where it judges nothing: that it is wrong is
// said all the same.
func Judges(set *Settings) error {
	if set.Policy != "" || set.TrustedRoot != "" {
		if _, _, err := TrustedBy(set); err != nil {
			return err
		}
	}
	if _, err := vouched(set); err != nil {
		return err
	}
	_, err := cache(set)
	return err
}

// NotTrust words why a file is not a policy or trusted root.
func NotTrust(flag, path string, err error) error {
	var file *trust.FileError
	if errors.As(err, &file) {
		return Usagef("%s %s is not a %s: %w; correct it, or leave the flag out for the built-in one", flag, path, file.What, file.Err)
	}
	return Usagef("%s %s: %w; name a file, or leave the flag out for the built-in one", flag, path, PlainError(err))
}
