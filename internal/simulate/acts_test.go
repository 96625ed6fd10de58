package simulate

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/internal/world/expect"
)

// act is something that a user does.
type act struct {
	name string
	part int // how often it is drawn, against the others
	fair int // and where nobody attacks, if not as often
	do   func(r *run, rnd *rand.Rand)
}

// acts are everything that a scene may do. turn is called between two runs of one scene:
// the attacker's chance to change what lies on the disk, and to answer otherwise.
var acts []act

func init() {
	acts = []act{ // the first and the third are those that lasting faults are tried on
		{"images", 16, 0, func(r *run, rnd *rand.Rand) { r.holds(r.does(r.imagesLine(rnd)...), expect.Images, expect.Live) }},
		{"release", 1, 0, func(r *run, rnd *rand.Rand) { r.does("verify", r.version) }},
		{"tag", 14, 0, func(r *run, rnd *rand.Rand) { r.holds(r.does("verify", r.ref()), r.kindOf(expect.Tag), expect.Live) }},
		{"digest", 8, 0, func(r *run, rnd *rand.Rand) {
			r.holds(r.does("verify", r.repo()+"@"+r.anyDigest(rnd, "")), r.kindOf(expect.Digest), expect.Live)
		}},
		{"platform digest", 8, 0, func(r *run, rnd *rand.Rand) {
			r.holds(r.does("verify", r.ref()+"@"+r.anyDigest(rnd, r.arch)), r.kindOf(expect.PlatformDigest), expect.Live)
		}},
		{"bare digest", 5, 0, func(r *run, rnd *rand.Rand) {
			o := r.does("verify", r.anyDigest(rnd, pick(rnd, []string{"", r.arch})), "--release", r.version)
			if r.core() {
				r.holds(o, expect.BareDigest, expect.Live)
			}
		}},
		{"one architecture", 4, 0, func(r *run, rnd *rand.Rand) {
			o := r.does("verify", r.repo()+"-"+r.arch+":"+r.tag)
			if r.core() {
				r.holds(o, expect.OneArch, expect.Live)
			}
		}},
		{"file artifact", 4, 0, func(r *run, rnd *rand.Rand) {
			r.holds(r.does("verify", "registry.k8s.io/"+pick(rnd, []string{world.FileImage, world.FileAlone})), expect.Artifact, expect.Live)
		}},
		{"file", 12, 0, func(r *run, rnd *rand.Rand) { r.file(rnd) }},
		{"download", 12, 0, func(r *run, rnd *rand.Rand) { r.download(rnd) }},
		{"list", 8, 0, func(r *run, rnd *rand.Rand) { r.list(rnd) }},
		{"copy", 14, 0, func(r *run, rnd *rand.Rand) { r.copied(rnd) }},
		{"private registry", 6, 0, func(r *run, rnd *rand.Rand) { r.standIn(rnd) }},
		{"kept cache", 6, 0, func(r *run, rnd *rand.Rand) { r.cached(rnd) }},
		{"lock", 4, 0, func(r *run, rnd *rand.Rand) { r.locked(rnd) }},
		{"saved report", 3, 0, func(r *run, rnd *rand.Rand) { r.saved(rnd) }},
		{"mirror", 6, 0, func(r *run, rnd *rand.Rand) { r.mirror(rnd) }},
		{"carried mirror", 6, 24, func(r *run, rnd *rand.Rand) { r.carried(rnd) }},
		{"vouched mirror", 8, 16, func(r *run, rnd *rand.Rand) { r.vouched(rnd) }},
		{"more checks", 6, 0, func(r *run, rnd *rand.Rand) { r.demanding(rnd) }},
		{"several lists", 6, 0, func(r *run, rnd *rand.Rand) { r.several(rnd) }},
		{"pods", 4, 0, func(r *run, rnd *rand.Rand) { r.pods(rnd) }},
		{"package", 3, 0, func(r *run, rnd *rand.Rand) { r.packaged(rnd) }},
		{"directory", 4, 0, func(r *run, rnd *rand.Rand) { r.directory(rnd) }},
		{"push", 4, 0, func(r *run, rnd *rand.Rand) { r.push(rnd) }},
	}
}

func (s *scene) repo() string { return "registry.k8s.io/" + s.image }
func (s *scene) ref() string  { return s.repo() + ":" + s.tag }

// imagesLine asks for one or two images, on one or two architectures.
func (s *scene) imagesLine(rnd *rand.Rand) []string {
	names, tags := s.w.Images(s.version)
	line := []string{"images", s.version}
	if s.tag == s.version {
		line = append(line, s.image)
	}
	for i, name := range names {
		if !s.alone && len(line) < 4 && name != s.image && tags[i] == s.version && rnd.IntN(6) == 0 {
			line = append(line, name)
		}
	}
	if len(line) == 2 {
		line = append(line, "kube-proxy")
	}
	if rnd.IntN(5) > 0 {
		line = append(line, "--arch", s.arch)
	}
	return line
}

// anyDigest is that of the image or its platform, as released or as served now, of the
// other release, or of another image.
func (s *scene) anyDigest(rnd *rand.Rand, arch string) string {
	ref := s.image + ":" + s.tag
	if arch != "" && s.tag == s.version {
		ref = s.image + "-" + arch + ":" + s.tag
	}
	platform := ""
	if arch != "" {
		platform = "linux/" + arch
	}
	genuine := s.truth.Image(s.image+":"+s.tag, platform)
	if genuine == "" && arch == "arm" {
		genuine = s.truth.Image(s.image+":"+s.tag, platform+"/v7")
	}
	if genuine == "" {
		genuine = s.truth.Image(s.image+":"+s.tag, "")
	}
	if s.honest {
		return genuine
	}
	switch rnd.IntN(6) {
	case 0:
		if m, ok := s.w.Manifest(ref); ok {
			return m.Digest()
		}
	case 1:
		if d := s.truth.Image(s.image+":"+s.other, platform); d != "" {
			return d
		}
	case 2:
		return s.truth.Image("kube-scheduler:"+s.version, "")
	}
	return genuine
}

// file writes a file as the world serves it, or another in its place, and has it verified.
func (r *run) file(rnd *rand.Rand) {
	from := r.path
	if rnd.IntN(5) == 0 && !r.honest {
		from = pick(rnd, r.w.Files(r.version))
	}
	version := r.version
	if rnd.IntN(6) == 0 && !r.honest {
		version = r.other
	}
	body := r.w.File(world.FileURL(version, from))
	if rnd.IntN(6) == 0 && !r.honest {
		body = edit(rnd, body)
	}
	name := filepath.Join(r.dir, filepath.Base(r.path))
	if body == nil || os.WriteFile(name, body, 0o755) != nil {
		return
	}
	line := []string{"verify", name}
	if rnd.IntN(4) > 0 {
		line = append(line, "--release", r.version)
		r.holds(r.does(line...), fileKind(r.path), expect.Live)
		return
	}
	r.does(line...) // what a path or a program says of its version is a hint
}

func (r *run) download(rnd *rand.Rand) {
	dir := filepath.Join(r.dir, "got")
	line := []string{"download", r.version, r.path, "--os", "linux", "--arch", r.arch, "-d", dir}
	o := r.does(line...)
	if kind := fileKind(r.path); kind != expect.ImageTar {
		r.holds(o, kind, expect.Live)
	}
	kept := func(p string) string {
		if p == filepath.Base(r.path) {
			return world.FileURL(r.version, r.path)
		}
		return ""
	}
	r.keeps(dir, kept)
	if rnd.IntN(3) == 0 {
		r.turn(rnd, dir)
		o = r.does(line...)
		if o.code == 0 {
			r.keeps(dir, kept)
		}
	}
}

// list has references of all sorts judged, some with digests that are not theirs.
func (r *run) list(rnd *rand.Rand) {
	var b strings.Builder
	for range 1 + rnd.IntN(4) {
		if r.honest {
			fmt.Fprintf(&b, "%s:%s@%s\n", pick(rnd, []string{r.repo(), private + "/" + r.image}), r.tag, r.anyDigest(rnd, pick(rnd, []string{"", r.arch})))
			continue
		}
		name := pick(rnd, []string{r.repo(), r.repo(), private + "/" + r.image, "registry.k8s.io/kube-scheduler", "docker.io/library/nginx"})
		switch rnd.IntN(4) {
		case 0:
			fmt.Fprintf(&b, "%s:%s\n", name, r.tag)
		case 1:
			fmt.Fprintf(&b, "%s@%s\n", name, r.anyDigest(rnd, ""))
		case 2:
			fmt.Fprintf(&b, "%s:%s@%s\n", name, r.tag, r.anyDigest(rnd, pick(rnd, []string{"", r.arch})))
		default:
			fmt.Fprintf(&b, "%s:%s@%s\n", name, r.tag, r.truth.Image(r.image+":"+r.tag, ""))
		}
	}
	file := filepath.Join(r.dir, "list.txt")
	if os.WriteFile(file, []byte(b.String()), 0o600) == nil {
		r.holds(r.does("verify", "-f", file, "--as", private+"=registry.k8s.io"), r.kindOf(expect.Copy), expect.Live)
	}
}

// cached runs twice with one cache, which may be edited in between.
func (r *run) cached(rnd *rand.Rand) {
	cache := filepath.Join(r.dir, "cache")
	line := append(r.imagesLine(rnd), "--cache", cache)
	r.does(line...)
	r.turn(rnd, cache)
	r.does(line...)
}

// mirror makes a mirror of what is served, perhaps in two runs between which everything changes,
// lets the attacker have it, and reads it, or the archive that was made of it.
func (r *run) mirror(rnd *rand.Rand) {
	dir := filepath.Join(r.dir, "mirror")
	line := []string{"mirror", "create", r.version, r.path, "--os", "linux", "--arch", r.arch, "-d", dir}
	images := rnd.IntN(2) == 0
	if images {
		line = append(line, "images")
	}
	at := dir
	if rnd.IntN(3) == 0 {
		at = filepath.Join(r.dir, "mirror.tar")
		line = append(line, "--archive", at)
	}
	made := r.makes(line)
	if rnd.IntN(4) == 0 {
		r.turn(rnd, dir)
		made = r.makes(line)
	}
	if made.code != 0 {
		return
	}
	if rnd.IntN(2) == 0 {
		r.turn(rnd, at)
	} else if inside := r.does("verify", at); inside.code == 1 {
		r.fail("a mirror that was made with the exit code 0 is refuted by its own bytes\n%s", inside.stdout)
	}
	r.reads(rnd, at, images)
}

// carried reads a mirror that the attacker wrote.
func (r *run) carried(rnd *rand.Rand) {
	dir := filepath.Join(r.dir, "mirror")
	if r.honest && rnd.IntN(2) == 0 {
		r.path = fmt.Sprintf(pick(rnd, programs[4:6]), r.arch) // a tarball, of which there are few
	}
	o := world.MirrorOptions{Arches: []string{r.arch}, Files: []string{r.path}, NoManifest: rnd.IntN(3) == 0}
	if rnd.IntN(3) > 0 && r.tag == r.version {
		o.Names, r.alone = []string{r.image}, true
	}
	if err := r.w.WriteMirror(dir, []string{r.version}, o); err != nil {
		r.fail("%v", err)
		return
	}
	r.turn(rnd, dir)
	r.reads(rnd, dir, true)
}

// reads reads a mirror, which has files, and perhaps images.
func (r *run) reads(rnd *rand.Rand, dir string, images bool) {
	at := rnd.IntN(4)
	if !images && at > 0 || r.honest && rnd.IntN(2) == 0 {
		at = 3
	}
	from := expect.Mirror
	if r.key != "" {
		from = expect.Vouched
	}
	switch at {
	case 0:
		r.does("verify", dir)
	case 1:
		r.holds(r.does(append(r.imagesLine(rnd), "--mirror", dir)...), expect.Images, from)
	case 2:
		r.holds(r.does("verify", r.ref(), "--mirror", dir), r.kindOf(expect.Tag), from)
	default:
		got := filepath.Join(r.dir, "from-mirror")
		o := r.does("download", r.version, r.path, "--os", "linux", "--arch", r.arch, "-d", got, "--mirror", dir)
		if kind := fileKind(r.path); kind != expect.ImageTar {
			r.holds(o, kind, from)
		}
		r.keeps(got, func(p string) string {
			if p == filepath.Base(r.path) {
				return world.FileURL(r.version, r.path)
			}
			return ""
		})
	}
}
