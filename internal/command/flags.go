package command

import (
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
)

// Shared are the flags of every command that verifies.
type Shared struct {
	Mirror    string
	endpoints []string
	OwnTLS
	TrustedRoot string
	Policy      string
	Key         string
	checks      string
	require     string
	Lock        string
	Jobs        int
	Timeout     time.Duration
	Retry       int
	sharing     int
	Cache       string
	NoCache     bool
	Output      outputFlag
	Quiet       bool
	Verbose     bool
	noColor     bool
	// Explain are the names of --explain, where "" is all that is not verified.
	Explain []string
	accept  []string
}

const (
	DefaultJobs  = 64  // hides a round trip of 50 ms at the registry's own rate limit
	maxJobs      = 512 // more only queues, and costs memory
	defaultRetry = 3
	maxRetry     = 20
	maxSharing   = 1000
)

// The groups of flags, each spelled out once. A command's help lists its flags in
// the order in which they were added.

func (s *Shared) addSource(f *pflag.FlagSet) {
	f.StringVar(&s.Mirror, "mirror", "", "read everything from this `DIR`, or a tar of it, instead of the network")
	f.StringArrayVar(&s.endpoints, "endpoint", nil, "ask a stand-in for a host, `HOST=URL`; repeatable")
	s.OwnTLS.Add(f)
}

func (s *Shared) AddTrust(f *pflag.FlagSet) {
	f.StringVar(&s.TrustedRoot, "trusted-root", "", "trust the CAs and logs of this `FILE` (trusted_root.json)")
	f.StringVar(&s.Policy, "policy", "", "judge by the policy in this `FILE`")
}

func (s *Shared) AddKey(f *pflag.FlagSet) {
	f.StringVar(&s.Key, "key", "", "the public key in this `FILE` (PEM) vouches for the mirror")
}

func (s *Shared) addCache(f *pflag.FlagSet) {
	f.StringVar(&s.Cache, "cache", "", "keep what is named by a digest in this `DIR` (default below the user's cache directory)")
	f.BoolVar(&s.NoCache, "no-cache", false, "keep nothing, and use nothing that was kept")
}

func (s *Shared) AddJobs(f *pflag.FlagSet, jobs int, usage string) {
	f.IntVarP(&s.Jobs, "jobs", "j", jobs, usage)
}

func (s *Shared) AddPace(f *pflag.FlagSet, timeout string) {
	f.DurationVar(&s.Timeout, "timeout", 0, timeout)
	f.IntVar(&s.Retry, "retry", defaultRetry, "repeat a request that failed by chance `N` times")
	f.IntVar(&s.sharing, "sharing", 1, "keep to one part in `N` of the published limits: so many runs ask from this address")
}

func (s *Shared) AddQuiet(f *pflag.FlagSet, usage string) {
	f.BoolVarP(&s.Quiet, "quiet", "q", false, usage)
}

func (s *Shared) AddTalk(f *pflag.FlagSet, quiet, verbose string) {
	s.AddQuiet(f, quiet)
	f.BoolVarP(&s.Verbose, "verbose", "v", false, verbose)
	f.BoolVar(&s.noColor, "no-color", false, "no colours")
	addLog(f)
}

// AddLock defines the flag of commands that examine images under their names.
func (s *Shared) AddLock(f *pflag.FlagSet) {
	f.StringVar(&s.Lock, "lock", "", "refute what has another digest than this `FILE` of kverify lock says")
}

const (
	ExamineSubjects = "examine `N` subjects side by side"
	EndRun          = "end the run after this `TIME`, such as 90s or 5m"
)

// Add defines all of them: those of a command that verifies.
func (s *Shared) Add(c *cobra.Command) {
	f := c.Flags()
	f.SortFlags = false
	s.addSource(f)
	s.AddTrust(f)
	s.AddKey(f)
	f.StringVar(&s.checks, "checks", "", "run the checks of this `LIST` instead of the policy's (the verdict is then partial)")
	f.StringVar(&s.require, "require", "", "run the checks of this `LIST` in addition")
	for _, name := range []string{"checks", "require"} {
		_ = c.RegisterFlagCompletionFunc(name, CompleteList(report.CheckNames))
	}
	s.AddJobs(f, DefaultJobs, ExamineSubjects)
	s.AddPace(f, EndRun+"; what is not done then is unknown")
	s.addCache(f)
	s.Output.AddReport(c)
	s.AddTalk(f, "only the last line, the verdict; no progress", "requests to stderr")
}

// AddOver defines those of a command that verifies over and over. A verdict that is partial is
// carried nowhere (rule 3), so that there is no --checks.
func (s *Shared) AddOver(c *cobra.Command) {
	f := c.Flags()
	s.addSource(f)
	s.AddTrust(f)
	s.AddKey(f)
	f.StringVar(&s.require, "require", "", "run the checks of this `LIST` in addition")
	_ = c.RegisterFlagCompletionFunc("require", CompleteList(report.CheckNames))
	s.AddJobs(f, DefaultJobs, ExamineSubjects)
	s.AddPace(f, EndRun)
	s.addCache(f)
	s.AddTalk(f, "no remarks on stderr", "requests to stderr")
}

// AddReading defines those that make sense for a command which reads what is
// published and examines no bytes, with formats of its own.
func (s *Shared) AddReading(c *cobra.Command, formats ...string) {
	s.AddTelling(c, formats...)
	c.Flags().Lookup("policy").Usage = "judge signatures by the policy in this `FILE`"
}

// AddTelling is AddReading for a command that judges no signature either. It takes what the
// others judge by all the same, so that one set of flags goes with every command that reads.
func (s *Shared) AddTelling(c *cobra.Command, formats ...string) {
	s.AddAsking(c, formats...)
	f := c.Flags()
	s.AddTrust(f)
	s.AddKey(f)
	s.addCache(f)
}

// AddAsking is AddTelling for a command that reads nothing of a release.
func (s *Shared) AddAsking(c *cobra.Command, formats ...string) {
	s.Jobs = DefaultJobs
	f := c.Flags()
	f.SortFlags = false
	s.Output.AddOwn(c, formats)
	s.addSource(f)
	s.AddPace(f, EndRun)
	s.AddTalk(f, "no remarks on stderr", "requests to stderr")
}

// AddShowing defines those of a command that shows what is on a disk, with formats of its own.
func (s *Shared) AddShowing(c *cobra.Command, formats ...string) {
	s.Jobs = DefaultJobs
	c.Flags().SortFlags = false
	s.Output.AddOwn(c, formats)
}

// AddAccept defines the flag of commands whose verdict a known incident may explain.
func (s *Shared) AddAccept(c *cobra.Command) {
	c.Flags().StringArrayVar(&s.accept, "accept-incident", nil, "exit with 0 where only this known incident `ID` keeps it from being verified; repeatable")
	_ = c.Flags().SetAnnotation("accept-incident", NotFromEnvironment, nil) // no user accepts by accident
	_ = c.RegisterFlagCompletionFunc("accept-incident", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return trust.EmbeddedPolicy().IncidentIDs(), cobra.ShellCompDirectiveNoFileComp
	})
}
