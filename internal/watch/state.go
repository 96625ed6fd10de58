package watch

import (
	"slices"
	"strings"
	"time"

	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// state is what outlasts a process. It is a hint and no proof: see the package comment.
type state struct {
	StateVersion int                        `json:"stateVersion"`
	Channels     map[string]release.Version `json:"channels"` // the newest version that each has led to
	Units        map[string]*unit           `json:"units"`
	Queue        []Event                    `json:"queue,omitempty"` // what was not delivered yet, oldest first
	Dropped      int64                      `json:"dropped,omitempty"`
}

func newState() *state {
	return &state{StateVersion: stateVersion, Channels: map[string]release.Version{}, Units: map[string]*unit{}}
}

// unit is what is known of a [Unit].
type unit struct {
	Channel  string              `json:"channel,omitempty"`
	Tags     map[string]string   `json:"tags,omitempty"` // digests by reference; empty if it was not read yet
	Subjects map[string]*subject `json:"subjects,omitempty"`
}

func (u *unit) refuted() bool {
	for _, s := range u.Subjects {
		if s.Verdict == report.Refuted {
			return true
		}
	}
	return false
}

// subject is what is known of a release or an image.
type subject struct {
	Verdict report.Verdict `json:"verdict"`          // that was told last
	Since   time.Time      `json:"since"`            // that it is so
	Was     report.Verdict `json:"answer"`           // the last that was no unknown, if there was one
	WasAt   time.Time      `json:"answered"`         // and when
	Alarms  []string       `json:"alarms,omitempty"` // what was refuted, and told; see alarmKey

	latest report.Verdict // of the last verification by this process: after a start nothing is
	counts report.Counts
	why    Problem // the first thing that gave it a verdict other than verified; empty if nothing was said of it
}

// standing is the verdict of now. What was refuted stays so until it was verified.
func (s *subject) standing() report.Verdict {
	if s.latest == report.Unknown && s.Was == report.Refuted {
		return report.Refuted
	}
	return s.latest
}

// verified says whether a release was verified when it was last read.
func (u *unit) verified() bool {
	if u == nil || len(u.Subjects) == 0 {
		return false
	}
	for _, s := range u.Subjects {
		if s.Was != report.Verified {
			return false
		}
	}
	return true
}

// judge takes in what a verification has found, and gives what is refuted and was not told yet.
func (s *subject) judge(rep report.Report, at time.Time) (alarms []Problem) {
	s.latest, s.counts = rep.Verdict(), rep.Counts()
	if s.latest != report.Unknown {
		s.Was, s.WasAt = s.latest, at
	}
	if now := s.standing(); now != s.Verdict {
		s.Verdict, s.Since = now, at
	}
	s.why = Problem{}
	if list := problems(rep, s.latest); len(list) > 0 {
		s.why = list[0]
	}
	for _, res := range rep.Results {
		about := alarmAbout(res)
		switch res.Verdict() {
		case report.Verified:
			s.Alarms = slices.DeleteFunc(s.Alarms, func(a string) bool { return strings.HasPrefix(a, about) })
		case report.Refuted:
			p := problem(res)
			key := about + "-" + short(p.Digest, p.Check)
			if slices.Contains(s.Alarms, key) {
				continue
			}
			if alarms = append(alarms, p); len(s.Alarms) < maxAlarms {
				s.Alarms = append(s.Alarms, key)
			}
		}
	}
	return alarms
}

// alarmAbout begins the keys of alarms about one result.
func alarmAbout(res report.Result) string {
	return short(string(res.Kind), res.Subject, res.Platform)
}

// setTags takes the tags of a report, of which the digests of those that were fetched are known.
// The digest of what others reported is not that of the tag, which is read then.
func (u *unit) setTags(of Unit, rep report.Report, reads func(registry.Ref) bool) {
	tags := map[string]string{}
	for _, res := range rep.Results {
		ref, err := registry.ParseRef(res.Subject)
		if res.Kind != report.KindImage || res.Platform != "" || err != nil || ref.Tag == "" || ref.Digest != "" || len(res.Subject) > maxName || !reads(ref) {
			continue
		}
		was, known := u.Tags[res.Subject]
		switch {
		case known:
			tags[res.Subject] = was
		case of.Name != Images && len(res.Places) == 0:
			tags[res.Subject] = res.Digest
		default:
			tags[res.Subject] = ""
		}
	}
	u.Tags = tags
}

// counts are the subjects by their verdicts.
func (s *state) counts() (c report.Counts) {
	for _, u := range s.Units {
		for _, one := range u.Subjects {
			switch one.standing() {
			case report.Verified:
				c.Verified++
			case report.Refuted:
				c.Refuted++
			default:
				c.Unknown++
			}
		}
	}
	return c
}

// enqueue keeps an event until it is delivered. Where too many wait, the oldest that is no
// alarm goes, and else the oldest.
func (s *state) enqueue(e Event) {
	if len(s.Queue) == maxQueue {
		at := 0
		for i, old := range s.Queue {
			if old.Kind != Refuted {
				at = i
				break
			}
		}
		s.Queue = append(s.Queue[:at], s.Queue[at+1:]...)
		s.Dropped++
	}
	s.Queue = append(s.Queue, e)
}
