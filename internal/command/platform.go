package command

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kverify/kverify/internal/guess"
	"github.com/kverify/kverify/pkg/release"
)

// Systems are the flags that say for which systems something is meant: --os and --arch,
// and --platform for both, as other programs write them.
type Systems struct {
	OSes, Arches []string
	platforms    []string
}

// OSes are the systems that a release has files for.
var OSes = []string{"darwin", "linux", "windows"}

// otherwise is what others call the systems and architectures of a release: uname, Go's
// and Rust's triples, Debian, and people.
var otherwise = map[string]string{
	"x86_64": "amd64", "x86-64": "amd64", "x64": "amd64", "aarch64": "arm64", "arm64v8": "arm64", "armv8": "arm64",
	"armv7l": "arm", "armv7": "arm", "armhf": "arm", "arm32v7": "arm", "i386": "386", "i686": "386", "x86": "386", "ppc64el": "ppc64le",
	"macos": "darwin", "osx": "darwin", "mac": "darwin", "win": "windows", "win64": "windows",
}

// variants are what a platform may say behind an architecture that a release has in one
// form only (OCI image index specification, "platform variants").
var variants = map[string]string{"arm": "v7", "arm64": "v8"}

// Add defines the flags that take lists: which ends each one's words, such as "(default
// all)". Without an os there are systems of one kind only, as images are for Linux.
func (s *Systems) Add(c *cobra.Command, os bool, which string) {
	f := c.Flags()
	complete := func(flag string, values []string) {
		_ = f.SetAnnotation(flag, NotFromEnvironment, nil)
		_ = c.RegisterFlagCompletionFunc(flag, CompleteList(values))
	}
	platforms := make([]string, 0, len(OSes)*len(release.Arches))
	for _, o := range OSes {
		for _, arch := range release.Arches {
			if os || o == "linux" {
				platforms = append(platforms, o+"/"+arch)
			}
		}
	}
	if os {
		f.StringSliceVar(&s.OSes, "os", nil, strings.TrimSpace("for this `OS`, such as linux, darwin or windows; repeatable "+which))
		complete("os", OSes)
	}
	f.StringSliceVar(&s.Arches, "arch", nil, strings.TrimSpace("for this `ARCH`, such as arm64; repeatable "+which))
	complete("arch", release.Arches)
	f.StringSliceVar(&s.platforms, "platform", nil, "for this `OS/ARCH`, such as linux/arm64, in place of "+map[bool]string{true: "--os and --arch", false: "--arch"}[os]+"; repeatable")
	complete("platform", platforms)
}

// Read makes OSes and Arches what was meant. Words that others use are understood, and what
// contradicts itself is a usage error. f are the command's flags.
func (s *Systems) Read(f *pflag.FlagSet) error {
	os := f.Lookup("os") != nil
	platforms := slices.Clone(s.platforms)
	var arches []string
	for _, a := range s.Arches {
		if strings.Contains(a, "/") { // linux/arm64, as others take it there
			platforms = append(platforms, a)
			continue
		}
		arches = append(arches, called(a))
	}
	s.Arches = Unique(arches)
	for i, o := range s.OSes {
		s.OSes[i] = called(o)
	}
	s.OSes = Unique(s.OSes)
	if len(platforms) == 0 {
		return nil
	}
	var meant, oses []string
	arches = nil
	for _, p := range platforms {
		o, arch, err := platform(p)
		if err != nil {
			return err
		}
		if !os && o != "linux" {
			return Usagef("--platform %s: images are for linux alone; write --platform linux/%s", p, arch)
		}
		for _, given := range []struct {
			flag, value string
			list        []string
		}{{"--os", o, s.OSes}, {"--arch", arch, s.Arches}} {
			if len(given.list) > 0 && !slices.Contains(given.list, given.value) {
				return Usagef("--platform %s and %s %s contradict each other; give one of them", p, given.flag, strings.Join(given.list, ","))
			}
		}
		oses, arches, meant = append(oses, o), append(arches, arch), append(meant, o+"/"+arch)
	}
	oses, arches = Unique(oses), Unique(arches)
	for _, o := range oses {
		for _, arch := range arches {
			if !slices.Contains(meant, o+"/"+arch) {
				return Usagef("--platform %s: what is meant is every system on every architecture, and %s/%s is not named; name it, or use a run for each", strings.Join(platforms, ","), o, arch)
			}
		}
	}
	for _, all := range [][2][]string{{s.OSes, oses}, {s.Arches, arches}} {
		if len(all[0]) > len(all[1]) {
			return Usagef("--platform %s and %s contradict each other; give one of them", strings.Join(platforms, ","), strings.Join(all[0], ","))
		}
	}
	s.Arches = arches
	if os {
		s.OSes = oses
	}
	return nil
}

// platform reads OS/ARCH, or OS/ARCH/VARIANT of the one variant that there is.
func platform(p string) (os, arch string, err error) {
	parts := strings.Split(p, "/")
	if len(parts) < 2 || len(parts) > 3 || slices.Contains(parts, "") {
		return "", "", Usagef("--platform %q is not OS/ARCH; write one such as linux/arm64", p)
	}
	os, arch = called(parts[0]), called(parts[1])
	if len(parts) == 3 && parts[2] != variants[arch] {
		return "", "", Usagef("--platform %q: a release has no variant %q of %s; write %s/%s", p, parts[2], arch, os, arch)
	}
	if !slices.Contains(OSes, os) {
		return "", "", Usagef("--platform %q: there is no system %q; name one of %s%s", p, os, strings.Join(OSes, ", "), guess.DidYouMean(os, OSes))
	}
	return os, arch, nil
}

// called is how a release calls a system or an architecture.
func called(word string) string {
	if name, ok := otherwise[strings.ToLower(word)]; ok {
		return name
	}
	return word
}

// SystemNamed are the systems that are meant where names say them: of programs that end in
// .exe, Windows.
func (s *Systems) SystemNamed(names []string) {
	if len(s.OSes) == 0 && len(names) > 0 && !slices.ContainsFunc(names, func(n string) bool { return !strings.HasSuffix(n, ".exe") }) {
		s.OSes = []string{"windows"}
	}
}
