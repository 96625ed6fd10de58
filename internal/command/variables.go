package command

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kverify/kverify/internal/lazyregexp"

	"github.com/spf13/cobra"

	"github.com/kverify/kverify/internal/guess"
)

// variable are flags that the environment sets, and where, if not everywhere.
type variable struct {
	of    string
	flags []string
}

// variables is the one list of what the environment may set: help names it, and what is not
// in it is an error, as an unknown field of a policy is.
var variables = []variable{
	{"", []string{
		"mirror", "trusted-root", "policy", "checks", "require", "jobs", "timeout", "retry", "sharing", "cache", "no-cache",
		"ca-file", "client-cert", "client-key", "key", "quiet", "verbose", "no-color", "log-format",
	}},
	{"With several values, separated by commas", []string{"endpoint", "as", "output"}},
	{"For images and verify", []string{"shard"}},
	{"For images, verify and lock", []string{"lock"}},
	{"For verify", []string{"strict", "bundle", "certificate-identity", "certificate-oidc-issuer"}},
	{"For image-verifier", []string{"on-unknown"}},
	{"For watch", []string{"every", "reverify", "jitter", "state", "metrics", "webhook", "webhook-auth-file"}},
}

// ofTests are read by the project's own tests, whose programs inherit them.
var ofTests = []string{"KVERIFY_SLOW_TESTS", "KVERIFY_BENCH", "KVERIFY_PEERS_RELEASES", "KVERIFY_DIST_TESTS", "KVERIFY_COSIGN"}

// ofService are the variables that Kubernetes sets in every pod beside a Service whose name
// begins with kverify (kubernetes.io/docs/concepts/services-networking/service,
// "Environment variables").
var ofService = lazyregexp.New(`^KVERIFY_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)

// Variables are the names of all that the environment may set.
func Variables() (names []string) {
	for _, v := range variables {
		for _, flag := range v.flags {
			names = append(names, EnvironmentName(flag))
		}
	}
	return names
}

// knownVariables refuses a variable that nothing reads: a run that KVERIFY_MIROR was to keep
// off the network must not go there. Commands that send no request take no notice of it.
func (a *App) knownVariables(c *cobra.Command) error {
	if a.Environ == nil || slices.Contains([]string{"help", "completion", "version", cobra.ShellCompRequestCmd, cobra.ShellCompNoDescRequestCmd}, c.Name()) || c == c.Root() {
		return nil
	}
	known := Variables()
	for _, line := range a.Environ() {
		name, value, _ := strings.Cut(line, "=")
		if !strings.HasPrefix(name, variablePrefix) || value == "" || slices.Contains(known, name) || slices.Contains(ofTests, name) || ofService().MatchString(name) {
			continue
		}
		hint := "try: kverify help environment"
		if near := guess.Nearest(name, known); near != "" {
			hint = "did you mean: " + near
		}
		return &UsageError{Err: fmt.Errorf("the environment has %s, which kverify does not read; correct or unset it", name), Hint: hint}
	}
	return nil
}

// variablesText lists them for the topic.
func variablesText() string {
	const width = 88
	var b strings.Builder
	for _, v := range variables {
		line := " "
		if v.of != "" {
			line = "  " + v.of + ":"
		}
		for i, flag := range v.flags {
			word := " " + EnvironmentName(flag)
			if i < len(v.flags)-1 {
				word += ","
			}
			if len(line)+len(word) > width {
				b.WriteString(line + "\n")
				line = " "
			}
			line += word
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}
