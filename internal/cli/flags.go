package cli

import (
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kverify/kverify/pkg/trust"
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
	lock        string
	jobs        int
	timeout     time.Duration
	retry       int
	cache       string
	noCache     bool
	output      outputFlag
	quiet       bool
	verbose     bool
	noColor     bool
	accept      []string
}

const (
	defaultJobs  = 64  // hides a round trip of 50 ms at the registry's own rate limit
	maxJobs      = 512 // more only queues, and costs memory
	defaultRetry = 3
	maxRetry     = 20
)

// The groups of flags, each spelled out once. A command's help lists its flags in
// the order in which they were added.

func (s *shared) addSource(f *pflag.FlagSet) {
	f.StringVar(&s.mirror, "mirror", "", "read everything from this `DIR`, or a tar of it, instead of the network")
	f.StringArrayVar(&s.endpoints, "endpoint", nil, "ask a stand-in for a host, `HOST=URL`; repeatable")
	s.ownTLS.add(f)
}

func (s *shared) addTrust(f *pflag.FlagSet) {
	f.StringVar(&s.trustedRoot, "trusted-root", "", "trust the CAs and logs of this `FILE` (trusted_root.json)")
	f.StringVar(&s.policy, "policy", "", "judge by the policy in this `FILE`")
}

func (s *shared) addKey(f *pflag.FlagSet) {
	f.StringVar(&s.key, "key", "", "the public key in this `FILE` (PEM) vouches for the mirror")
}

func (s *shared) addJobs(f *pflag.FlagSet, jobs int, usage string) {
	f.IntVarP(&s.jobs, "jobs", "j", jobs, usage)
}

func (s *shared) addPace(f *pflag.FlagSet, timeout string) {
	f.DurationVar(&s.timeout, "timeout", 0, timeout)
	f.IntVar(&s.retry, "retry", defaultRetry, "repeat a request that failed by chance `N` times")
}

func (s *shared) addQuiet(f *pflag.FlagSet, usage string) {
	f.BoolVarP(&s.quiet, "quiet", "q", false, usage)
}

func (s *shared) addTalk(f *pflag.FlagSet, quiet, verbose string) {
	s.addQuiet(f, quiet)
	f.BoolVarP(&s.verbose, "verbose", "v", false, verbose)
	f.BoolVar(&s.noColor, "no-color", false, "no colours")
}

// addLock defines the flag of commands that examine images under their names.
func (s *shared) addLock(f *pflag.FlagSet) {
	f.StringVar(&s.lock, "lock", "", "refute what has another digest than this `FILE` of kverify lock says")
}

const (
	examineSubjects = "examine `N` subjects side by side"
	endRun          = "end the run after this `TIME`, such as 90s or 5m"
)

// add defines all of them: those of a command that verifies.
func (s *shared) add(c *cobra.Command) {
	f := c.Flags()
	f.SortFlags = false
	s.addSource(f)
	s.addTrust(f)
	s.addKey(f)
	f.StringVar(&s.checks, "checks", "", "run the checks of this `LIST` instead of the policy's (the verdict is then partial)")
	f.StringVar(&s.require, "require", "", "run the checks of this `LIST` in addition")
	s.addJobs(f, defaultJobs, examineSubjects)
	s.addPace(f, endRun+"; what is not done then is unknown")
	f.StringVar(&s.cache, "cache", "", "keep what is named by a digest in this `DIR` (default below the user's cache directory)")
	f.BoolVar(&s.noCache, "no-cache", false, "keep nothing, and use nothing that was kept")
	s.output.addReport(c)
	s.addTalk(f, "only what failed, and the verdict; no progress", "requests to stderr; whole digests and evidence in the table, and the subjects in words")
}

// addReading defines those that make sense for a command which reads what is
// published and examines no bytes, with formats of its own.
func (s *shared) addReading(c *cobra.Command, formats ...string) {
	s.addAsking(c, formats...)
	s.addTrust(c.Flags())
	c.Flags().Lookup("policy").Usage = "judge signatures by the policy in this `FILE`"
}

// addAsking is addReading for a command that judges no signature either.
func (s *shared) addAsking(c *cobra.Command, formats ...string) {
	s.jobs = defaultJobs
	f := c.Flags()
	f.SortFlags = false
	s.output.addOwn(c, formats)
	s.addSource(f)
	s.addPace(f, endRun)
	s.addTalk(f, "no remarks on stderr", "requests to stderr")
}

// addAccept defines the flag of commands whose verdict a known incident may explain.
func (s *shared) addAccept(c *cobra.Command) {
	c.Flags().StringArrayVar(&s.accept, "accept-incident", nil, "exit with 0 where only this known incident `ID` keeps it from being verified; repeatable")
	_ = c.Flags().SetAnnotation("accept-incident", notFromEnvironment, nil) // nobody accepts by accident
	_ = c.RegisterFlagCompletionFunc("accept-incident", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return trust.EmbeddedPolicy().IncidentIDs(), cobra.ShellCompDirectiveNoFileComp
	})
}
