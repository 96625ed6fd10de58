package report

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A File is a saved report, as read from JSON.
type File struct {
	Name   string // for errors
	Digest string // "sha256:<hex>" of its bytes
	Report Report
}

// FileError says why a saved report cannot be used.
type FileError struct {
	Name string // of the file, or of several
	Err  error
}

func (e *FileError) Error() string {
	return fmt.Sprintf("%s: %v; give whole reports as kverify -o json wrote them", e.Name, e.Err)
}
func (e *FileError) Unwrap() error { return e.Err }

// whole says whether a check that the scope requires of all is required of a result.
// The one exception is the signature of a file of before file signing.
func (s Scope) whole(res Result) error {
	for _, c := range res.Checks {
		unsigned := res.Kind == KindFile && c.Name == Signature && c.Verdict == Unknown && c.Reason == Absent
		if slices.Contains(s.Checks, c.Name) && !c.Required && !unsigned {
			return fmt.Errorf("%s: the check %s is required of all, and not of it", res.Subject, c.Name)
		}
	}
	return nil
}

// Merge puts reports together: the shards of one job, of which none may be
// missing, or reports of different subjects. They must have been judged by the
// same policy, trusted root and checks, and none may be partial or interrupted.
// The results stand in the order in which one run would have given them.
//
// The verdict of the result is what the reports say: nothing is examined anew.
func Merge(files []*File) (Report, error) {
	if len(files) == 0 {
		return Report{}, &FileError{"merge", errors.New("no report was given")}
	}
	first := files[0]
	out := first.Report
	out.Accepted = nil // who reads the whole accepts anew
	out.Results, out.Releases, out.Merged, out.Scope.Subjects, out.Scope.Shard, out.Scope.Absent = nil, nil, nil, nil, nil, nil
	out.Scope.Others, out.Scope.Vendors, out.Scope.Remarks = nil, 0, nil
	seen := map[string]string{}
	for _, f := range files {
		r := f.Report
		fail := func(format string, args ...any) (Report, error) {
			return Report{}, &FileError{f.Name, fmt.Errorf(format, args...)}
		}
		switch {
		case seen[f.Digest] != "":
			return fail("the same report as %s", seen[f.Digest])
		case r.Interrupted:
			return fail("its run was interrupted")
		case r.Scope.Partial || len(r.Scope.Omitted) > 0:
			return fail("it is partial: %s was left out", strings.Join(r.Scope.Omitted, ", "))
		case len(r.Results) == 0:
			return fail("it has no result")
		case r.Policy.Digest == "" || r.TrustedRoot.Digest == "":
			return fail("it does not say by which policy and trusted root it was judged")
		case r.Policy.Digest != first.Report.Policy.Digest:
			return fail("judged by policy %s, but %s by %s", r.Policy.Digest, first.Name, first.Report.Policy.Digest)
		case r.TrustedRoot.Digest != first.Report.TrustedRoot.Digest:
			return fail("judged under trusted root %s, but %s under %s", r.TrustedRoot.Digest, first.Name, first.Report.TrustedRoot.Digest)
		case keyOf(r) != keyOf(first.Report):
			return fail("vouched for by the operator's key %q, but %s by %q", keyOf(r), first.Name, keyOf(first.Report))
		case !slices.Equal(r.Scope.Checks, first.Report.Scope.Checks):
			return fail("it ran the checks %s, but %s %s", strings.Join(r.Scope.Checks, ","), first.Name, strings.Join(first.Report.Scope.Checks, ","))
		case !slices.Equal(r.Scope.Names, first.Report.Scope.Names) || !slices.Equal(r.Scope.Platforms, first.Report.Scope.Platforms):
			return fail("it was asked for other images or architectures than %s", first.Name)
		}
		seen[f.Digest] = f.Name
		if r.Tool != first.Report.Tool {
			out.Tool.Version = "several"
		}
		if r.Time.Before(out.Time) {
			out.Time = r.Time // a merged report is as old as its oldest part
		}
		out.Policy.Embedded = out.Policy.Embedded && r.Policy.Embedded
		out.TrustedRoot.Embedded = out.TrustedRoot.Embedded && r.TrustedRoot.Embedded
		out.Scope.Subjects = union(out.Scope.Subjects, r.Scope.Subjects)
		out.Scope.Absent = union(out.Scope.Absent, r.Scope.Absent)
		out.Scope.Others = union(out.Scope.Others, r.Scope.Others)
		out.Scope.Vendors = min(out.Scope.Vendors+r.Scope.Vendors, len(out.Scope.Others))
		out.Scope.Remarks = union(out.Scope.Remarks, r.Scope.Remarks)
		out.Releases = union(out.Releases, r.Releases)
		out.Merged = append(out.Merged, f.Digest)
	}
	if err := everyShard(files); err != nil {
		return Report{}, err
	}
	out.Releases = inOrder(out.Releases, out.Scope.Subjects)
	var err error
	if out.Results, err = join(files, out.Scope.Subjects); err != nil {
		return Report{}, err
	}
	absent := placesOf(out.Scope.Absent)
	for _, r := range out.Results { // what one part says is absent, another may have seen
		if r.Platform != "" {
			delete(absent, r.Subject+" "+r.Platform)
		}
	}
	out.Scope.Absent = slices.DeleteFunc(out.Scope.Absent, func(a string) bool { _, still := absent[a]; return !still })
	if s := out.unspoken(func(string) bool { return false }); s != "" {
		return Report{}, &FileError{names(files), fmt.Errorf("%s was asked for, and no result speaks of it", s)}
	}
	return out, nil
}

// keyOf is the digest of the operator's key; empty if there was none.
func keyOf(r Report) string {
	if r.OperatorKey == nil {
		return ""
	}
	return r.OperatorKey.Digest
}

// everyShard holds that of a job that was split no part is missing.
func everyShard(files []*File) error {
	jobs := map[string][]*File{}
	for _, f := range files {
		if s := f.Report.Scope; s.Shard != nil {
			key := fmt.Sprintf("%d %q", s.Shard.Count, s.Subjects)
			jobs[key] = append(jobs[key], f)
		}
	}
	for _, parts := range jobs {
		count := parts[0].Report.Scope.Shard.Count
		have := map[int]string{}
		for _, f := range parts {
			i := f.Report.Scope.Shard.Index
			if count < 1 || i < 0 || i >= count {
				return &FileError{f.Name, fmt.Errorf("there is no shard %s", f.Report.Scope.Shard)}
			}
			if have[i] != "" {
				return &FileError{f.Name, fmt.Errorf("%s is shard %d too", have[i], i)}
			}
			have[i] = f.Name
		}
		var missing []string
		for i := 0; i < count && len(missing) < 20; i++ {
			if have[i] == "" {
				missing = append(missing, Shard{i, count}.String())
			}
		}
		if len(missing) > 0 {
			return &FileError{names(parts), fmt.Errorf("missing: shard %s", strings.Join(missing, ", "))}
		}
	}
	return nil
}

// join orders the results by release, kind and subject, and joins what two
// shards say of one subject, such as the release itself.
func join(files []*File, subjects []string) ([]Result, error) {
	type key struct {
		kind              Kind
		subject, platform string
	}
	var all []Result
	at := map[key]int{}
	from := map[key]string{}
	for _, f := range files {
		for _, r := range f.Report.Results {
			k := key{r.Kind, r.Subject, r.Platform}
			i, ok := at[k]
			if !ok {
				at[k], from[k] = len(all), f.Name
				all = append(all, r)
				continue
			}
			if all[i].Digest != r.Digest {
				return nil, &FileError{f.Name, fmt.Errorf("%s is %s, but %s in %s", strings.TrimSpace(r.Subject+" "+r.Platform), cmp.Or(r.Digest, "unknown"), cmp.Or(all[i].Digest, "unknown"), from[k])}
			}
			all[i] = all[i].with(r)
		}
	}
	places := placesOf(subjects)
	rank := func(r Result) int { return min(places.of(r.Release), places.of(r.Subject)) }
	kinds := []Kind{KindRelease, KindDocument, KindImage, KindFile}
	slices.SortStableFunc(all, func(a, b Result) int {
		return cmp.Or(
			cmp.Compare(rank(a), rank(b)),
			cmp.Compare(slices.Index(kinds, a.Kind), slices.Index(kinds, b.Kind)),
			cmp.Compare(a.Subject, b.Subject))
	})
	return all, nil
}

// with joins two results of one subject, check by check; the worse one speaks.
func (r Result) with(other Result) Result {
	r.Checks = slices.Clone(r.Checks)
	for _, c := range other.Checks {
		i := slices.IndexFunc(r.Checks, func(d Check) bool { return d.Name == c.Name })
		if i < 0 {
			r.Checks = append(r.Checks, c)
			continue
		}
		d := r.Checks[i]
		required := d.Required || c.Required
		if d.Verdict.and(c.Verdict) != d.Verdict {
			d = c
		} else if d.Verdict == c.Verdict && d.Detail != c.Detail {
			d.Detail += "; " + c.Detail
		}
		d.Required = required
		r.Checks[i] = d
	}
	r.Notes = union(r.Notes, other.Notes)
	r.SeenAs = union(r.SeenAs, other.SeenAs)
	return r
}

func union(a, b []string) []string {
	have := map[string]bool{}
	for _, s := range a {
		have[s] = true
	}
	for _, s := range b {
		if !have[s] {
			a, have[s] = append(a, s), true
		}
	}
	return a
}

// inOrder sorts a list as another has it, what that has not first.
func inOrder(list, other []string) []string {
	places := placesOf(other)
	at := func(s string) int {
		if i, ok := places[s]; ok {
			return i
		}
		return -1
	}
	slices.SortStableFunc(list, func(a, b string) int { return cmp.Compare(at(a), at(b)) })
	return list
}

// order says where each of a list stands in it.
type order map[string]int

func placesOf(list []string) order {
	at := order{}
	for i, s := range list {
		if _, twice := at[s]; !twice {
			at[s] = i
		}
	}
	return at
}

// of is the place of one, behind all others if it is not in the list.
func (o order) of(s string) int {
	if i, ok := o[s]; ok {
		return i
	}
	return len(o)
}

func names(files []*File) string {
	var list []string
	for _, f := range files {
		list = append(list, f.Name)
	}
	return strings.Join(list, ", ")
}
