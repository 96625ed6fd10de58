package simulate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/kverify/kverify/internal/cli"
	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/internal/world/expect"
	"github.com/kverify/kverify/pkg/vouch"
)

const password = "of the operator"

// operator is whoever makes mirrors.
type keys struct {
	name string // NAME.key and NAME.pub
	sign *vouch.Operator
}

var operator = sync.OnceValues(func() (k keys, err error) {
	k.name = filepath.Join(shelf.base, "operator")
	var said strings.Builder
	a := &command.App{Args: []string{"mirror", "keygen", k.name}, Stdout: io.Discard, Stderr: &said, Getenv: environment(shelf.base)}
	if code := cli.Run(context.Background(), a); code != 0 {
		return k, fmt.Errorf("mirror keygen: exit code %d: %s", code, said.String())
	}
	private, err := os.ReadFile(k.name + ".key")
	if err == nil {
		k.sign, err = vouch.ReadOperator(private, []byte(password))
	}
	return k, err
})

// signs does what --sign-key does of a mirror that has just been made: to open the key for it costs more
// than all the rest. A mirror that was not listed is not signed.
func (k *keys) signs(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, "MANIFEST.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	signature, err := k.sign.Sign(text)
	if err != nil {
		return err
	}
	sums, err := os.ReadFile(filepath.Join(dir, "MANIFEST.sha256"))
	if err != nil {
		return err
	}
	first, rest, _ := strings.Cut(string(sums), "\n")
	line := hexOf(digestOf(signature)) + "  MANIFEST.json.sigstore.json"
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "MANIFEST.json.sigstore.json"), signature, 0o600),
		os.WriteFile(filepath.Join(dir, "MANIFEST.sha256"), []byte(strings.Join([]string{first, line, rest}, "\n")), 0o600))
}

// environment is what a run of the program finds there.
func environment(home string) func(string) string {
	return func(name string) string {
		switch name {
		case "HOME", "XDG_CACHE_HOME":
			return filepath.Join(home, "home")
		case "COSIGN_PASSWORD":
			return password
		}
		return ""
	}
}

// vouched makes a mirror that its operator signs, perhaps in two runs between which everything
// changes, lets the attacker have it, and reads it with the operator's key.
func (r *run) vouched(rnd *rand.Rand) {
	k, err := operator()
	if err != nil {
		r.fail("%v", err)
		return
	}
	dir := filepath.Join(r.dir, "mirror")
	if expect.EraOf(r.version) == expect.Unsigned && rnd.IntN(3) > 0 {
		r.path = fmt.Sprintf("kubernetes-client-linux-%s.tar.gz", r.arch)
	}
	line := []string{"mirror", "create", r.version, r.path, "images", "--os", "linux", "--arch", r.arch, "-d", dir}
	if !r.core() {
		line = append(line, r.ref())
	}
	lax := rnd.IntN(3) == 0
	if lax {
		line = append(line, "--allow-unknown")
	}
	if made := r.makes(line); r.honest && made.code != 0 && !lax {
		return // a program that nobody signed
	}
	if err := k.signs(dir); err != nil {
		r.fail("a mirror could not be signed: %v", err)
	}
	if rnd.IntN(3) == 0 { // and brought up to date, after the attacker had it
		r.turn(rnd, dir)
		r.makes(append(line, "--sign-key", k.name+".key"))
	}
	lies := r.lies
	r.exchange(rnd, dir)
	r.turn(rnd, dir)
	r.lies = lies // what is said outside from now on is not read
	r.key = k.name + ".pub"
	r.reads(rnd, dir, true)
}

// makes makes a mirror, or brings it up to date. What a publisher was heard to say then is what its
// operator vouches for, be it true or not.
func (r *run) makes(line []string) outcome {
	o := r.does(line...)
	r.made = true
	r.vouchedLie = r.vouchedLie || r.lies && !r.distrusted
	dir := line[slices.Index(line, "-d")+1]
	r.keeps(filepath.Join(dir, "files"), func(p string) string { return "https://" + p })
	return o
}

// exchange puts a part of a mirror in the place of another's: of a mirror of another release or
// attack, whose list is signed by nobody, or of what was signed before.
func (r *run) exchange(rnd *rand.Rand, dir string) {
	if r.honest || rnd.IntN(3) > 0 {
		return
	}
	other := filepath.Join(r.dir, "other")
	o := world.MirrorOptions{Arches: []string{r.arch}, Files: []string{r.path}, Names: []string{"kube-proxy"}}
	if r.w.WriteMirror(other, []string{r.other}, o) != nil {
		return
	}
	part := pick(rnd, []string{"MANIFEST.json", "oci/index.json", "files/raw.githubusercontent.com", "files/dl.k8s.io", "oci/blobs"})
	_ = os.RemoveAll(filepath.Join(dir, part))
	_ = os.Rename(filepath.Join(other, part), filepath.Join(dir, part))
}
