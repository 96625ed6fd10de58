package verify_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/report"
	"github.com/kverify/kverify/pkg/verify"
)

const kubectlPath = "bin/linux/amd64/kubectl"

// overLog judges kubectl in a world, and counts the questions to the log about it.
func overLog(t *testing.T, w *world.World, carry bool) (c report.Check, entries, index int) {
	t.Helper()
	v := overTLS(t, w)
	if carry {
		v.Fetch = &fetch.Client{Transport: carried(w)}
	}
	sums := sumsOf(w.File(world.FileURL(version, kubectlPath)))
	before := len(w.Requests())
	res := filesOf(t, v, version).Judge(t.Context(), kubectlPath, sums).Result
	asked := map[string]int{}
	for _, r := range w.Requests()[before:] {
		if r.Method == http.MethodPost {
			asked[r.URL]++
		}
	}
	c, _ = res.Check(report.Signature)
	// The SBOM's own entry is one question more.
	return c, asked[world.RekorEntriesURL] - 1, asked[world.RekorSearchURL]
}

func kubectlEntry(w *world.World) *world.Entry {
	return w.SignedFile(world.FileURL(version, kubectlPath)).Entry
}

// answers changes what the log answers about kubectl.
func answers(w *world.World, change func([]map[string]object) []map[string]object) {
	mine := base64.StdEncoding.EncodeToString(kubectlEntry(w).Body)
	w.Tamper(world.RekorEntriesURL, func(b []byte) []byte {
		if !bytes.Contains(b, []byte(mine)) {
			return b
		}
		var list []map[string]object
		if err := json.Unmarshal(b, &list); err != nil {
			panic(err)
		}
		out, err := json.Marshal(change(list))
		if err != nil {
			panic(err)
		}
		return out
	})
}

func each(list []map[string]object, change func(object)) []map[string]object {
	for _, byID := range list {
		for _, e := range byID {
			change(e)
		}
	}
	return list
}

// copied is n further entries like the first, each changed.
func copied(list []map[string]object, n int, change func(i int, e object)) (out []map[string]object) {
	for i := range n {
		for _, e := range list[0] {
			c := object{}
			for k, v := range e {
				c[k] = v
			}
			change(i, c)
			out = append(out, map[string]object{fmt.Sprintf("%080x", i): c})
		}
	}
	return out
}

// A file's signature costs one question to the log, which needs no index: it used
// to be two. The index answers as it likes.
func TestLogIsAskedOnceAndWithoutAnIndex(t *testing.T) {
	built := world.New(world.Options{})
	for name, index := range map[string]world.Index{"a web page": world.IndexPage, "one that works": world.IndexWorks,
		"one that says none": world.IndexEmpty, "none": world.IndexGone, "one that is down": world.IndexDown} {
		w := built.Clone()
		w.SetIndex(index)
		if c, entries, asked := overLog(t, w, false); c.Verdict != report.Verified || entries != 1 || asked != 0 {
			t.Errorf("index is %s: %s %s, asked the log %d times and the index %d times", name, c.Verdict, c.Detail, entries, asked)
		}
	}
}

// oddPEM is a log entry whose certificate ends without a line feed: no client would propose it so.
func oddPEM(body []byte) []byte {
	var e map[string]any
	if err := json.Unmarshal(body, &e); err != nil {
		panic(err)
	}
	key := e["spec"].(object)["signature"].(object)["publicKey"].(object)
	text, err := base64.StdEncoding.DecodeString(key["content"].(string))
	if err != nil {
		panic(err)
	}
	key["content"] = base64.StdEncoding.EncodeToString(bytes.TrimSpace(text))
	out, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	return out
}

// The index is the second way: for an entry that was stored in another writing.
func TestIndexIsTheSecondWay(t *testing.T) {
	w := world.New(world.Options{})
	w.Sigstore().Log.Rewrite(kubectlEntry(w), oddPEM)
	if c, _, _ := overLog(t, w.Clone(), false); c.Verdict != report.Unknown || c.Reason != report.Absent {
		t.Errorf("no index: %s, %s: %s", c.Verdict, c.Reason, c.Detail)
	}
	w.SetIndex(world.IndexWorks)
	if c, entries, index := overLog(t, w, false); c.Verdict != report.Verified || entries != 2 || index != 1 {
		t.Errorf("with an index: %s, %s: %s; %d and %d questions", c.Verdict, c.Reason, c.Detail, entries, index)
	}
}

// Rule 16: of several shards' entries the earliest in the certificate's life counts,
// in whatever order and under whatever ids they come.
func TestEarliestEntryInTheCertificatesLifeCounts(t *testing.T) {
	built := world.New(world.Options{})
	logged := time.Unix(kubectlEntry(built).IntegratedTime, 0)
	reverse := func(list []map[string]object) []map[string]object { slices.Reverse(list); return list }
	for _, tt := range []struct {
		name    string
		do      func(w *world.World)
		verdict report.Verdict
		reason  report.Reason
		at      time.Time
	}{
		{"later in another shard", func(w *world.World) {
			w.Sigstore().Log.Shard(1).Again(kubectlEntry(w), logged.Add(time.Minute).Unix())
		}, report.Verified, "", logged},
		{"years later in another shard", func(w *world.World) {
			w.Sigstore().Log.Shard(1).Again(kubectlEntry(w), logged.AddDate(2, 0, 0).Unix())
		}, report.Verified, "", logged},
		{"before the certificate in another shard", func(w *world.World) {
			w.Sigstore().Log.Shard(1).Again(kubectlEntry(w), logged.Add(-time.Hour).Unix())
		}, report.Verified, "", logged},
		{"three shards, backwards", func(w *world.World) {
			w.Sigstore().Log.Shard(1).Again(kubectlEntry(w), logged.Add(2*time.Minute).Unix())
			w.Sigstore().Log.Shard(2).Again(kubectlEntry(w), logged.Add(time.Minute).Unix())
			answers(w, reverse)
		}, report.Verified, "", logged},
		{"one request's three entries in one object", func(w *world.World) {
			w.Sigstore().Log.Shard(1).Again(kubectlEntry(w), logged.Add(2*time.Minute).Unix())
			answers(w, func(list []map[string]object) []map[string]object {
				all := map[string]object{}
				for _, byID := range list {
					for id, e := range byID {
						all[id] = e
					}
				}
				return []map[string]object{all}
			})
		}, report.Verified, "", logged},
		{"only long after", func(w *world.World) {
			e2, log := *kubectlEntry(w), w.Sigstore().Log
			answers(w, func(list []map[string]object) []map[string]object {
				e2.IntegratedTime = logged.Add(time.Hour).Unix()
				set := log.Promise(&e2)
				return each(list, func(o object) {
					o["integratedTime"], o["verification"].(object)["signedEntryTimestamp"] = e2.IntegratedTime, set
				})
			})
		}, report.Unknown, report.Untrusted, time.Time{}},
		{"ids that lie", func(w *world.World) {
			id := kubectlEntry(w).UUID()
			answers(w, func(list []map[string]object) []map[string]object {
				return []map[string]object{{"": list[0][id]}}
			})
		}, report.Verified, "", logged},
		{"a time that lies", func(w *world.World) {
			answers(w, func(list []map[string]object) []map[string]object {
				return each(list, func(o object) { o["integratedTime"] = logged.Add(time.Second).Unix() })
			})
		}, report.Unknown, report.Untrusted, time.Time{}},
		{"an earlier time that lies, before the genuine entry", func(w *world.World) {
			answers(w, func(list []map[string]object) []map[string]object {
				return append(copied(list, 1, func(_ int, o object) { o["integratedTime"] = logged.Add(-time.Second).Unix() }), list...)
			})
		}, report.Verified, "", logged},
		{"foreign entries around it, and some that cannot be read", func(w *world.World) {
			other := base64.StdEncoding.EncodeToString(w.SignedFile(world.SBOMURL(version)).Entry.Body)
			answers(w, func(list []map[string]object) []map[string]object {
				foreign := copied(list, 40, func(i int, o object) {
					o["body"] = other
					if i%2 == 0 {
						o["verification"] = "none"
					}
				})
				return slices.Concat([]map[string]object{nil, {}}, foreign[:20], list, foreign[20:])
			})
		}, report.Verified, "", logged},
		{"the same entry many times", func(w *world.World) {
			answers(w, func(list []map[string]object) []map[string]object {
				return append(copied(list, 50, func(int, object) {}), list...)
			})
		}, report.Verified, "", logged},
		{"more entries of this signature than are verified, behind it", func(w *world.World) {
			answers(w, func(list []map[string]object) []map[string]object {
				return append(list, copied(list, 40, func(i int, o object) { o["logIndex"] = i })...)
			})
		}, report.Verified, "", logged},
		{"more entries of this signature than are verified, before it", func(w *world.World) {
			answers(w, func(list []map[string]object) []map[string]object {
				return append(copied(list, 40, func(i int, o object) { o["logIndex"] = i }), list...)
			})
		}, report.Unknown, report.Limit, time.Time{}},
		{"by a log that the root does not know", func(w *world.World) {
			answers(w, func(list []map[string]object) []map[string]object {
				return each(list, func(o object) { o["logID"] = strings.Repeat("ab", 32) })
			})
		}, report.Unknown, report.Untrusted, time.Time{}},
		{"only foreign entries", func(w *world.World) {
			answers(w, func(list []map[string]object) []map[string]object {
				return each(list, func(o object) { o["body"] = "e30=" })
			})
		}, report.Unknown, report.Malformed, time.Time{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := built.Clone()
			tt.do(w)
			c, _, _ := overLog(t, w, false)
			if c.Verdict != tt.verdict || c.Reason != tt.reason {
				t.Fatalf("%s, %s: %s", c.Verdict, c.Reason, c.Detail)
			}
			if at := tt.at.UTC().Format(time.RFC3339); !tt.at.IsZero() && c.Evidence.All()[0].Fields["integratedTime"] != at {
				t.Errorf("logged %s, want %s", c.Evidence.All()[0].Fields["integratedTime"], at)
			}
			t.Log(c.Detail)
		})
	}
}

// Rule 16: that there is none is the log's own word, and its alone.
func TestOnlyTheLogSaysThatThereIsNoEntry(t *testing.T) {
	built := world.New(world.Options{})
	none := func(w *world.World) {
		w.Sigstore().Log.Rewrite(kubectlEntry(w), func([]byte) []byte { return []byte(`{"kind":"nothing"}`) })
	}
	flood := make([]string, 15_000)
	for i := range flood {
		flood[i] = fmt.Sprintf("%080x", i)
	}
	many, _ := json.Marshal(flood)
	found := func(text string) func(w *world.World) {
		return func(w *world.World) {
			none(w)
			w.SetIndex(world.IndexWorks)
			w.Tamper(world.RekorSearchURL, func([]byte) []byte { return []byte(text) })
		}
	}
	other := fmt.Sprintf("[%q]", built.SignedFile(world.SBOMURL("v1.27.1")).Entry.UUID())
	const word = report.Absent
	for _, tt := range []struct {
		name   string
		do     func(w *world.World)
		carry  bool
		reason report.Reason
	}{
		{"the log says none", none, false, word},
		{"a stand-in says none", none, true, report.Unreachable},
		{"the log sends a web page", func(w *world.World) { w.HTML(world.RekorEntriesURL) }, false, report.Malformed},
		{"the log has no such address", func(w *world.World) { w.Status(world.RekorEntriesURL, 404) }, false, report.Unreachable},
		{"the log does not understand", func(w *world.World) { w.Status(world.RekorEntriesURL, 422) }, false, report.Unreachable},
		{"the log is down", func(w *world.World) { w.Status(world.RekorEntriesURL, 503) }, false, report.Unreachable},
		{"the log is not to be reached", func(w *world.World) { w.Refuse(world.RekorEntriesURL) }, false, report.Unreachable},
		{"the log sends null", func(w *world.World) { w.Tamper(world.RekorEntriesURL, func([]byte) []byte { return []byte("null") }) }, false, report.Malformed},
		{"the log sends a map", func(w *world.World) { w.Tamper(world.RekorEntriesURL, func([]byte) []byte { return []byte("{}") }) }, false, report.Malformed},
		{"the log sends two lists", func(w *world.World) { w.Tamper(world.RekorEntriesURL, func([]byte) []byte { return []byte("[][]") }) }, false, report.Malformed},
		{"another host sends an empty list", func(w *world.World) {
			none(w)
			w.RedirectAbroad(world.RekorEntriesURL)
		}, false, report.Unreachable},

		{"the log says none, and so does the index", found("[]"), false, word},
		{"the log says none, and the index null", found("null"), false, word},
		{"the log says none, and the index a page", func(w *world.World) { none(w); w.SetIndex(world.IndexPage) }, false, word},
		{"the log says none, and the index is down", func(w *world.World) { none(w); w.SetIndex(world.IndexDown) }, false, word},
		{"the log says none, and the index what is no id", found(`["","x",null]`), false, word},
		{"the log says none, and the index a flood", found(string(many)), false, word},
		{"the log says none, and the index more than is read", found(string(many[:83*30]) + "]"), false, report.Limit},
		{"the log says none, and the index another's", found(other), false, word},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := built.Clone()
			tt.do(w)
			c, _, _ := overLog(t, w, tt.carry)
			if c.Verdict != report.Unknown || c.Reason != tt.reason {
				t.Errorf("%s, %s, want unknown, %s: %s", c.Verdict, c.Reason, tt.reason, c.Detail)
			}
			t.Log(c.Detail)
		})
	}
}

// FuzzLogAnswer: whatever a log answers, only times that it signed count.
func FuzzLogAnswer(f *testing.F) {
	w := world.New(world.Options{})
	s := w.SignedFile(world.FileURL(version, kubectlPath))
	body := w.File(world.FileURL(version, kubectlPath))
	late := w.Sigstore().Log.Shard(1).Again(s.Entry, s.Entry.IntegratedTime+60)
	w.Sigstore().Log.Shard(2).Again(s.Entry, s.Entry.IntegratedTime-3600)
	resp, err := (&http.Client{Transport: w}).Post(world.RekorEntriesURL, "application/json", strings.NewReader(`{"entries":[`+string(s.Entry.Body)+`]}`))
	if err != nil {
		f.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		f.Fatal(err)
	}
	v := verifier(f, w)
	count := func(b []byte) []int64 {
		times, _ := verify.CountEntries(v, sha256.Sum256(body), s.SigFile(), s.CertificatePEM(), b)
		return times
	}
	signed := []int64{s.Entry.IntegratedTime, late.IntegratedTime}
	if got := count(answer); !slices.Equal(got, signed) {
		f.Fatalf("%v of %s", got, answer)
	}
	f.Add(answer)
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, at := range count(b) {
			if !slices.Contains(signed, at) {
				t.Errorf("%d counts, of %q", at, b)
			}
		}
	})
}
