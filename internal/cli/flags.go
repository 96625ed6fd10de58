package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
	"github.com/kverify/kverify/pkg/verify"
)

// shared are the flags of every command that verifies.
type shared struct {
	mirror    string
	endpoints []string
	ownTLS
	trustedRoot string
	policy      string
	key         string
	checks      string
	require     string
	jobs        int
	timeout     time.Duration
	retry       int
	cache       string
	noCache     bool
	output      []string
	quiet       bool
	verbose     bool
	noColor     bool
	accept      []string

	// formats are what -o takes, the default first; none means those of a report.
	formats []string
}

const (
	defaultJobs  = 64  // hides a round trip of 50 ms at the registry's own rate limit
	maxJobs      = 512 // more only queues, and costs memory
	defaultRetry = 3
	maxRetry     = 20
)

// add defines the shared flags on a command.
func (s *shared) add(c *cobra.Command) {
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&s.mirror, "mirror", "", "read everything from this `DIR`, or a tar of it, instead of the network")
	f.StringArrayVar(&s.endpoints, "endpoint", nil, "ask a stand-in for a host, `HOST=URL`; repeatable")
	s.ownTLS.add(f)
	f.StringVar(&s.trustedRoot, "trusted-root", "", "trust the CAs and logs of this `FILE` (trusted_root.json)")
	f.StringVar(&s.policy, "policy", "", "judge by the policy in this `FILE`")
	f.StringVar(&s.key, "key", "", "the public key in this `FILE` (PEM) vouches for the mirror")
	f.StringVar(&s.checks, "checks", "", "run the checks of this `LIST` instead of the policy's (the verdict is then partial)")
	f.StringVar(&s.require, "require", "", "run the checks of this `LIST` in addition")
	f.IntVarP(&s.jobs, "jobs", "j", defaultJobs, "examine `N` subjects side by side")
	f.DurationVar(&s.timeout, "timeout", 0, "end the run after this `TIME`, such as 90s or 5m; what is not done then is unknown")
	f.IntVar(&s.retry, "retry", defaultRetry, "repeat a request that failed by chance `N` times")
	f.StringVar(&s.cache, "cache", "", "keep what is named by a digest in this `DIR` (default below the user's cache directory)")
	f.BoolVar(&s.noCache, "no-cache", false, "keep nothing, and use nothing that was kept")
	addOutput(c, &s.output)
	f.BoolVarP(&s.quiet, "quiet", "q", false, "only what failed, and the verdict; no progress")
	f.BoolVarP(&s.verbose, "verbose", "v", false, "requests to stderr; whole digests and evidence in the table, and the subjects in words")
	f.BoolVar(&s.noColor, "no-color", false, "no colours")
}

// addAccept defines the flag of commands whose verdict a known incident may explain.
func (s *shared) addAccept(c *cobra.Command) {
	c.Flags().StringArrayVar(&s.accept, "accept-incident", nil, "exit with 0 where only this known incident `ID` keeps it from being verified; repeatable")
	_ = c.Flags().SetAnnotation("accept-incident", notFromEnvironment, nil) // nobody accepts by accident
	_ = c.RegisterFlagCompletionFunc("accept-incident", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return trust.EmbeddedPolicy().IncidentIDs(), cobra.ShellCompDirectiveNoFileComp
	})
}

// accepted checks what was accepted against the policy in force.
func (set *settings) accepted(p *trust.Policy) ([]string, error) {
	known := p.IncidentIDs()
	for _, id := range set.accept {
		if !slices.Contains(known, id) {
			return nil, usagef("--accept-incident %q: the policy knows no such incident; it knows %s", id, orElse(strings.Join(known, ", "), "none"))
		}
	}
	return unique(set.accept), nil
}

// addReading defines those shared flags that make sense for a command which
// reads what is published and examines no bytes, with formats of its own.
func (s *shared) addReading(c *cobra.Command, formats ...string) {
	s.addAsking(c, formats...)
	f := c.Flags()
	f.StringVar(&s.trustedRoot, "trusted-root", "", "trust the CAs and logs of this `FILE` (trusted_root.json)")
	f.StringVar(&s.policy, "policy", "", "judge signatures by the policy in this `FILE`")
}

// addAsking is addReading for a command that judges no signature either.
func (s *shared) addAsking(c *cobra.Command, formats ...string) {
	s.jobs, s.formats = defaultJobs, formats
	f := c.Flags()
	f.SortFlags = false
	f.StringArrayVarP(&s.output, "output", "o", nil, fmt.Sprintf("write `FORMAT[=FILE]`: %s; repeatable (default %s)", orList(formats), formats[0]))
	// KVERIFY_OUTPUT names formats of reports.
	_ = f.SetAnnotation("output", notFromEnvironment, nil)
	f.StringVar(&s.mirror, "mirror", "", "read everything from this `DIR`, or a tar of it, instead of the network")
	f.StringArrayVar(&s.endpoints, "endpoint", nil, "ask a stand-in for a host, `HOST=URL`; repeatable")
	s.ownTLS.add(f)
	f.DurationVar(&s.timeout, "timeout", 0, "end the run after this `TIME`, such as 90s or 5m")
	f.IntVar(&s.retry, "retry", defaultRetry, "repeat a request that failed by chance `N` times")
	f.BoolVarP(&s.quiet, "quiet", "q", false, "no remarks on stderr")
	f.BoolVarP(&s.verbose, "verbose", "v", false, "requests to stderr")
	f.BoolVar(&s.noColor, "no-color", false, "no colours")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
}

// notFromEnvironment marks a flag that is not shared, whatever its name.
const notFromEnvironment = "kverify_not_from_environment"

// orList reads "a, b or c".
func orList(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// repeatable flags take several values, separated by commas, from the environment.
var repeatable = []string{"endpoint", "output"}

// fromEnvironment sets every flag that was not given from KVERIFY_<FLAG>.
func (a *app) fromEnvironment(c *cobra.Command) (err error) {
	c.Flags().VisitAll(func(f *pflag.Flag) {
		_, own := f.Annotations[notFromEnvironment]
		if err != nil || own || f.Changed || f.Name == "help" || c.LocalNonPersistentFlags().Lookup(f.Name) == nil {
			return
		}
		key := environmentName(f.Name)
		value := a.getenv(key)
		if value == "" {
			return
		}
		values := []string{value}
		if slices.Contains(repeatable, f.Name) {
			values = splitList(value)
		}
		for _, v := range values {
			if e := c.Flags().Set(f.Name, v); e != nil {
				err = usagef("the environment has %s=%q: %w; correct or unset it", key, withoutSecrets(value), flagError(e))
				return
			}
		}
	})
	return err
}

// flagError words a value that does not parse without the parser's own words.
func flagError(err error) error {
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return err
	}
	f := invalid.GetFlag()
	want := map[string]string{"int": "a whole number", "duration": "a time such as 90s or 5m", "bool": "true or false"}[f.Value.Type()]
	if want == "" {
		return err
	}
	return fmt.Errorf("--%s takes %s, not %q", f.Name, want, invalid.GetValue())
}

func environmentName(flag string) string {
	return "KVERIFY_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// settings are the shared flags, read and found to make sense.
type settings struct {
	shared
	ctx       context.Context //nolint:containedctx // of this one run: ends what waits for a file that a flag names
	endpoints map[string]*url.URL
	own       own
	checks    []string // nil means the policy's
	require   []string
	outputs   []output
	judged    []string // directories that are verified; see outside
	sparse    []verify.Held
	dir       *mirror.Dir // the mirror, once it is open
	// soon is told of what connects ahead, as soon as there is a network; nil
	// where no host is sure to be asked.
	soon func(*fetch.Ahead)
}

// read checks what a flag's own type cannot.
func (s shared) read(c *cobra.Command) (*settings, error) {
	set := &settings{shared: s, endpoints: map[string]*url.URL{}}
	var err error
	if c.Flags().Changed("checks") {
		if set.checks, err = checkList("--checks", s.checks); err != nil {
			return nil, err
		}
		for _, name := range []string{report.Digest, report.Signature} {
			if !slices.Contains(set.checks, name) {
				return nil, usagef("--checks %s leaves out %s, without which nothing is proved; write --checks %s,%s", s.checks, name, s.checks, name)
			}
		}
	}
	if c.Flags().Changed("require") {
		if set.require, err = checkList("--require", s.require); err != nil {
			return nil, err
		}
	}
	for _, e := range s.endpoints {
		host, base, err := endpoint(e)
		if err != nil {
			return nil, err
		}
		if set.endpoints[host] != nil {
			return nil, usagef("--endpoint names %s twice; give one stand-in a host", host)
		}
		set.endpoints[host] = base
	}
	if s.clientCert != "" && s.clientKey != "" && len(set.endpoints) == 0 && c.Flags().Lookup("endpoint") != nil {
		return nil, usagef("--client-cert is shown to the hosts that --endpoint names, and none is named; add --endpoint HOST=URL, or leave it out")
	}
	for _, n := range []struct {
		flag             string
		value, low, high int
	}{{"--jobs", s.jobs, 1, maxJobs}, {"--retry", s.retry, 0, maxRetry}} {
		if n.value < n.low || n.value > n.high {
			return nil, usagef("%s %d is out of range; give %d to %d", n.flag, n.value, n.low, n.high)
		}
	}
	if s.timeout < 0 || c.Flags().Changed("timeout") && s.timeout == 0 {
		return nil, usagef("--timeout %v leaves no time; give one such as 5m, or leave the flag out", s.timeout)
	}
	if s.quiet && s.verbose {
		return nil, usagef("--quiet and --verbose contradict each other; give one of them")
	}
	set.outputs, err = outputs(s.output, s.formats)
	return set, err
}

func endpoint(s string) (host string, base *url.URL, err error) {
	const form = "write --endpoint HOST=URL, such as registry.k8s.io=http://127.0.0.1:5000"
	host, raw, ok := strings.Cut(s, "=")
	if !ok || raw == "" {
		return "", nil, usagef("--endpoint %q names no host and URL; %s", withoutSecrets(s), form)
	}
	if host = strings.ToLower(host); host == "" || strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789.-:[]") != "" {
		return "", nil, usagef("--endpoint %q: %q is no host; %s", withoutSecrets(s), withoutSecrets(host), form)
	}
	if base, err = fetch.ParseEndpoint(raw); err != nil {
		return "", nil, usagef("--endpoint %q: %w%s", withoutSecrets(s), err, passwordHint(raw))
	}
	if host == imageHost {
		if err := registry.CheckBase(base); err != nil {
			return "", nil, usagef("--endpoint %q: %w", s, err)
		}
	}
	return host, base, nil
}

// checkList reads a list of checks for the flag.
func checkList(flag, list string) ([]string, error) {
	all := strings.Join(report.CheckNames, ", ")
	names := splitList(list)
	if len(names) == 0 {
		return nil, usagef("%s is empty, and no check proves nothing; name some of %s", flag, all)
	}
	for _, n := range names {
		if !slices.Contains(report.CheckNames, n) {
			return nil, usagef("%s names %q, which is no check; there are %s", flag, n, all)
		}
	}
	return names, nil
}

// splitList reads "a,b c" as a, b and c, each once.
func splitList(s string) (list []string) {
	for _, w := range strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' }) {
		if !slices.Contains(list, w) {
			list = append(list, w)
		}
	}
	return list
}

// withExamples lines up the remarks of a command's examples.
func withExamples(lines ...string) string {
	const remark = "  # "
	width := 0
	for _, l := range lines {
		if command, _, ok := strings.Cut(l, remark); ok {
			width = max(width, len(command))
		}
	}
	for i, l := range lines {
		if command, text, ok := strings.Cut(l, remark); ok {
			l = fmt.Sprintf("%-*s%s%s", width, command, remark, text)
		}
		lines[i] = "  " + l
	}
	return strings.Join(lines, "\n")
}

// ownFlag marks the flags that a command has so far as its own, which no
// variable sets.
func ownFlag(c *cobra.Command) func(*pflag.Flag) {
	return func(f *pflag.Flag) { _ = c.Flags().SetAnnotation(f.Name, notFromEnvironment, nil) }
}
