package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// covered is what the cache keeps of one test.
type covered struct {
	Test    string            `json:"test"` // hash of the file that declares it
	Of      map[string]string `json:"of"`   // hashes of the files that it runs
	Seconds float64           `json:"seconds"`
	Passes  bool              `json:"passes"`
	Covers  map[string][]run  `json:"covers"`
}

// holds says that what was found of a test still is so, as far as the package goes
// that mutants are made of.
func (c *covered) holds(src *source, test string) bool {
	if c == nil || c.Test != test {
		return false
	}
	for i, name := range src.names {
		if of, ok := c.Of[src.rel(name)]; ok && of != sum(src.texts[i]) {
			return false
		}
	}
	return true
}

// coverage finds which lines of the packages cover each test of a suite runs: each is
// run alone, once. What it finds is kept in cache, and found anew for a test when a
// file of the package that it runs has changed, or its own. A test that fails or skips
// alone is left out, and told.
func coverage(ctx context.Context, s *suite, src *source, cover, cache string, skip func(string) bool, say io.Writer) error {
	kept := map[string]*covered{}
	if b, err := os.ReadFile(cache); err == nil {
		if err := json.Unmarshal(b, &kept); err != nil {
			return fmt.Errorf("%s: %w: delete it", cache, err)
		}
	}
	names, err := declared(s)
	if err != nil {
		return err
	}
	binary := filepath.Join(filepath.Dir(cache), "cover.test")
	built := false
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if skip(name) {
			continue
		}
		one := kept[name]
		if !one.holds(src, names[name]) {
			if !built {
				if err := compile(ctx, s.path, binary, "-cover", "-coverpkg="+cover); err != nil {
					return err
				}
				built = true
			}
			if one, err = coverOne(ctx, s, src, binary, name); err != nil {
				return err
			}
			one.Test = names[name]
			kept[name] = one
			if err := keep(cache, kept); err != nil {
				return err
			}
			fmt.Fprintf(say, "%s %s: %.1f s\n", s.path, name, one.Seconds)
		}
		if !one.Passes {
			fmt.Fprintf(say, "%s %s is left out: alone it fails or skips\n", s.path, name)
			continue
		}
		s.tests = append(s.tests, &test{suite: s, name: name, seconds: one.Seconds, covers: one.Covers})
	}
	return nil
}

// keep writes the cache.
func keep(cache string, kept map[string]*covered) error {
	b, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	return os.WriteFile(cache, b, 0o644)
}

// coverOne runs one test alone.
func coverOne(ctx context.Context, s *suite, src *source, binary, name string) (*covered, error) {
	profile := binary + ".profile"
	start := time.Now()
	cmd := exec.CommandContext(ctx, binary, "-test.run", "^"+name+"$", "-test.v", "-test.timeout", "10m", "-test.coverprofile", profile)
	cmd.Dir = s.dir
	said, err := cmd.CombinedOutput()
	one := &covered{Seconds: time.Since(start).Seconds()}
	if err != nil || !strings.Contains(string(said), "--- PASS: "+name) {
		return one, ctx.Err()
	}
	one.Passes = true
	if one.Covers, err = profiled(profile, src.module); err != nil {
		return nil, err
	}
	one.Of = map[string]string{}
	for name := range one.Covers {
		text, err := os.ReadFile(filepath.Join(src.root, filepath.FromSlash(name)))
		if err != nil {
			return nil, err
		}
		one.Of[name] = sum(text)
	}
	return one, nil
}

// profiled reads the lines that were run from a coverage profile.
func profiled(name, module string) (map[string][]run, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	covers := map[string][]run{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		file, rest, ok := strings.Cut(strings.TrimPrefix(lines.Text(), module+"/"), ":")
		if !ok || file == "mode" || strings.HasSuffix(rest, " 0") {
			continue
		}
		var r run
		var column, toColumn int
		if _, err := fmt.Sscanf(rest, "%d.%d,%d.%d", &r.From, &column, &r.To, &toColumn); err != nil {
			return nil, fmt.Errorf("%s: %q: %w", name, lines.Text(), err)
		}
		covers[file] = append(covers[file], r)
	}
	return covers, nil
}
