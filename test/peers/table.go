package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"time"
)

type measured struct {
	condition
	figures
}

// results are all runs, by way.
type results map[string][]measured

func (c condition) String() string {
	if c.redirects {
		return fmt.Sprintf("%d ms behind redirects", c.rtt.Milliseconds())
	}
	return fmt.Sprintf("%d ms direct", c.rtt.Milliseconds())
}

// median is of each figure by itself.
func (r results) median(name string, c condition) figures {
	var f []figures
	for _, m := range r[name] {
		if m.condition == c {
			f = append(f, m.figures)
		}
	}
	return figures{
		wall: middle(f, func(f figures) time.Duration { return f.wall }),
		cpu:  middle(f, func(f figures) time.Duration { return f.cpu }),
		peak: middle(f, func(f figures) int64 { return f.peak }),
		counts: counts{
			Requests:    middle(f, func(f figures) int64 { return f.Requests }),
			Connections: middle(f, func(f figures) int64 { return f.Connections }),
			Bytes:       middle(f, func(f figures) int64 { return f.Bytes }),
		},
	}
}

func middle[T int64 | time.Duration](all []figures, of func(figures) T) T {
	var list []T
	for _, f := range all {
		list = append(list, of(f))
	}
	slices.Sort(list)
	if len(list) == 0 {
		return 0
	}
	return (list[len(list)/2] + list[(len(list)-1)/2]) / 2
}

// A chain is a longest row of requests of which each needs the answer of the
// one before, by host.
type chain []string

// ahead are the hosts that are known before any answer names them: kverify
// connects to them while the first answers travel.
var ahead = []string{"signatures", "dl", "cdn", "log"}

// roundTrips are two for each host, for TCP and TLS 1.3, and one for each
// request.
func (c chain) roundTrips() int {
	return len(c) + 2*len(c.hosts())
}

// roundTripsAhead are those that are left if connections are made as early as
// can be.
func (c chain) roundTripsAhead() int {
	late := slices.DeleteFunc(c.hosts(), func(host string) bool { return slices.Contains(ahead, host) })
	return len(c) + 2*len(late)
}

func (c chain) hosts() []string { return slices.Compact(slices.Sorted(slices.Values(c))) }

// chains are the longest rows of requests that run side by side. Behind
// redirects each request to the registry is two, the second to the host that
// the first answer names. An index comes first, whose signature is looked up by
// its digest; payloads are known without being asked for.
func chains(redirects, whole bool) []chain {
	all := []chain{{"registry", "registry"}}
	if redirects {
		all = []chain{{"registry", "manifests", "registry", "signatures"}}
	}
	if !whole {
		return all
	}
	// A platform's manifest by its own tag, and its config.
	config := chain{"registry", "registry"}
	if redirects {
		config = chain{"registry", "manifests", "registry", "blobs"}
	}
	// The SBOM is two redirects away, and the log is asked once, for the entry that it must have.
	return append(all, config, chain{"sbom", "dl", "cdn", "log"})
}

// longest counts the round trips of the longest of several chains.
func longest(all []chain, count func(chain) int) (n int) {
	for _, c := range all {
		n = max(n, count(c))
	}
	return n
}

// floor is what round trips take, and the processor time spread over all
// processors.
func floor(roundTrips int, rtt, cpu time.Duration) time.Duration {
	return time.Duration(roundTrips)*rtt + cpu/time.Duration(runtime.NumCPU())
}

func (r results) peers(w io.Writer, ways []way, delays []int, references int) {
	for _, redirects := range []bool{false, true} {
		title := "Direct"
		if redirects {
			title = "Behind the redirects of registry.k8s.io"
		}
		fmt.Fprintf(w, "### %s\n\n| way |", title)
		for _, ms := range delays {
			fmt.Fprintf(w, " %d ms |", ms)
		}
		fmt.Fprintf(w, " CPU a reference | requests a reference | connections | bytes a reference | peak memory |\n|%s\n", strings.Repeat(" --- |", len(delays)+6))
		for _, y := range ways {
			fmt.Fprintf(w, "| %s |", y.name)
			for _, ms := range delays {
				fmt.Fprintf(w, " %s |", seconds(r.median(y.name, at(ms, redirects)).wall))
			}
			r.rest(w, y.name, delays, redirects, references)
		}
		r.floors(w, ways[0].name, chains(redirects, false), delays, redirects)
		for _, y := range ways[2:] {
			fmt.Fprintf(w, "| times the speed of %s |", y.name)
			for _, ms := range delays {
				c := at(ms, redirects)
				fmt.Fprintf(w, " %.1f |", ratio(r.median(y.name, c).wall, r.median(ways[0].name, c).wall))
			}
			fmt.Fprint(w, " | | | | |\n")
		}
		fmt.Fprintln(w)
	}
}

// rest are the figures that do not depend on the round trip: those at the
// longest one.
func (r results) rest(w io.Writer, name string, delays []int, redirects bool, references int) {
	f := r.median(name, at(slices.Max(delays), redirects))
	n := float64(references)
	fmt.Fprintf(w, " %.1f ms | %.2f | %d | %.1f KB | %.0f MiB |\n",
		f.cpu.Seconds()*1000/n, float64(f.Requests)/n, f.Connections, float64(f.Bytes)/n/1000, float64(f.peak)/(1<<20))
}

func (r results) floors(w io.Writer, name string, all []chain, delays []int, redirects bool) {
	row := func(what string, cell func(figures, condition) string) {
		fmt.Fprintf(w, "| %s |", what)
		for _, ms := range delays {
			c := at(ms, redirects)
			fmt.Fprintf(w, " %s |", cell(r.median(name, c), c))
		}
		fmt.Fprint(w, " | | | | |\n")
	}
	n, early := longest(all, chain.roundTrips), longest(all, chain.roundTripsAhead)
	row(fmt.Sprintf("computed floor, %d round trips", n), func(f figures, c condition) string { return seconds(floor(n, c.rtt, f.cpu)) })
	row("kverify, times the floor", func(f figures, c condition) string {
		return fmt.Sprintf("%.2f", ratio(f.wall, floor(n, c.rtt, f.cpu)))
	})
	if early < n {
		row(fmt.Sprintf("floor with connections made ahead, %d round trips", early), func(f figures, c condition) string { return seconds(floor(early, c.rtt, f.cpu)) })
	}
}

func (r results) whole(w io.Writer, y way, delays []int, references int) {
	for _, redirects := range []bool{false, true} {
		title := "Every check, direct"
		if redirects {
			title = "Every check, behind redirects"
		}
		fmt.Fprintf(w, "### %s\n\n| |", title)
		for _, ms := range delays {
			fmt.Fprintf(w, " %d ms |", ms)
		}
		fmt.Fprintf(w, " CPU a reference | requests a reference | connections | bytes a reference | peak memory |\n|%s\n| %s |", strings.Repeat(" --- |", len(delays)+6), y.name)
		for _, ms := range delays {
			fmt.Fprintf(w, " %s |", seconds(r.median(y.name, at(ms, redirects)).wall))
		}
		r.rest(w, y.name, delays, redirects, references)
		r.floors(w, y.name, chains(redirects, true), delays, redirects)
		fmt.Fprintln(w)
	}
}

func at(ms int, redirects bool) condition {
	return condition{rtt: time.Duration(ms) * time.Millisecond, redirects: redirects}
}

func ratio(a, b time.Duration) float64 { return a.Seconds() / max(b.Seconds(), 1e-9) }

// seconds with three digits that count.
func seconds(d time.Duration) string {
	s := d.Seconds()
	switch {
	case s >= 10:
		return fmt.Sprintf("%.1f s", s)
	case s >= 1:
		return fmt.Sprintf("%.2f s", s)
	}
	return fmt.Sprintf("%.3f s", s)
}
