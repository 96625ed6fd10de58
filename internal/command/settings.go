package command

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/spf13/cobra"

	"github.com/kverify/kverify/internal/guess"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/trust"
	"github.com/kverify/kverify/pkg/verify"
)

// Settings are the shared flags, read and found to make sense.
type Settings struct {
	Shared
	Ctx       context.Context //nolint:containedctx // of this one run: ends what waits for a file that a flag names
	Endpoints map[string]*url.URL
	own       own
	network   http.RoundTripper // see App.Network
	checks    []string          // nil means the policy's
	require   []string
	waits     fetch.Waits // for hosts that asked for it
	Outputs   []Output
	judged    []string // directories that are verified; see outside
	sparse    []verify.MirrorScope
	dir       *mirror.Mirror  // the mirror, once it is open
	kept      *registry.Cache // see keptBytes
	lock      *report.Lock    // see readLock
	// onNetwork is told of the network, as soon as there is one; nil
	// where no host is sure to be asked.
	onNetwork func(*fetch.Live)

	// Again makes every verifier of these settings read by the same connections, for a command
	// that verifies over and over: each has a memory of its own, and sees a mirror as it is
	// then. Meter and Repeats count what goes over them; nil counts nothing.
	Again   bool
	Meter   func(http.RoundTripper) http.RoundTripper
	Repeats *atomic.Int64
	live    http.RoundTripper // the network, once it is there
}

// read checks what a flag's own type cannot.
func (s Shared) read(c *cobra.Command) (*Settings, error) {
	set := &Settings{Shared: s, Endpoints: map[string]*url.URL{}}
	var err error
	if c.Flags().Changed("checks") {
		if set.checks, err = checkList("--checks", s.checks); err != nil {
			return nil, err
		}
		for _, name := range []string{report.Digest, report.Signature} {
			if !slices.Contains(set.checks, name) {
				return nil, Usagef("--checks %s leaves out %s, without which nothing is proved; write --checks %s,%s", s.checks, name, s.checks, name)
			}
		}
	}
	if c.Flags().Changed("require") {
		if set.require, err = checkList("--require", s.require); err != nil {
			return nil, err
		}
	}
	for _, e := range s.endpoints {
		host, base, err := Endpoint(e)
		if err != nil {
			return nil, err
		}
		if set.Endpoints[host] != nil {
			return nil, Usagef("--endpoint names %s twice; give one stand-in a host", host)
		}
		set.Endpoints[host] = base
	}
	if s.clientCert != "" && s.clientKey != "" && len(set.Endpoints) == 0 && c.Flags().Lookup("endpoint") != nil {
		return nil, Usagef("--client-cert is shown to the hosts that --endpoint names, and none is named; add --endpoint HOST=URL, or leave it out")
	}
	for _, n := range []struct {
		flag             string
		value, low, high int
	}{{"--jobs", s.Jobs, 1, maxJobs}, {"--retry", s.Retry, 0, maxRetry}, {"--sharing", s.sharing, 1, maxSharing}} {
		if f := c.Flags().Lookup(n.flag[2:]); f != nil && (n.value < n.low || n.value > n.high) {
			return nil, Usagef("%s %d is out of range; give %d to %d", n.flag, n.value, n.low, n.high)
		}
	}
	if s.Timeout < 0 || c.Flags().Changed("timeout") && s.Timeout == 0 {
		return nil, Usagef("--timeout %v leaves no time; give one such as 5m, or leave the flag out", s.Timeout)
	}
	if s.Quiet && s.Verbose {
		return nil, Usagef("--quiet and --verbose contradict each other; give one of them")
	}
	if set.Outputs, err = s.Output.Read(); err != nil {
		return nil, err
	}
	return set, s.CheckExplain(set.Outputs)
}

// checkList reads a list of checks for the flag.
func checkList(flag, list string) ([]string, error) {
	all := strings.Join(report.CheckNames, ", ")
	names := SplitList(list)
	if len(names) == 0 {
		return nil, Usagef("%s is empty, and no check proves nothing; name some of %s", flag, all)
	}
	for _, n := range names {
		if !slices.Contains(report.CheckNames, n) {
			return nil, Usagef("%s names %q, which is not a check; there are %s%s", flag, n, all, guess.DidYouMean(n, report.CheckNames))
		}
	}
	return names, nil
}

// accepted checks what was accepted against the policy in force.
func (set *Settings) accepted(p *trust.Policy) ([]string, error) {
	known := p.IncidentIDs()
	for _, id := range set.accept {
		if !slices.Contains(known, id) {
			return nil, Usagef("--accept-incident %q: the policy knows no such incident; it knows %s%s", id, OrElse(strings.Join(known, ", "), "none"), guess.DidYouMean(id, known))
		}
	}
	return Unique(set.accept), nil
}
