package mirrors

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/internal/render/terminal"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/sigstore"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

func keygenCommand(a *command.App) *cobra.Command {
	return &cobra.Command{
		Use:   "keygen [NAME]",
		Short: "Make the pair of keys that vouches for mirrors",
		Long: `Writes NAME.key, the private key that "mirror create --sign-key" takes, and NAME.pub, with which
"kverify verify DIR --key" finds inside that you signed the mirror; NAME is cosign unless it
is given. The keys have the form of cosign generate-key-pair, and are of use to it.

The private key is encrypted under a password, from COSIGN_PASSWORD or asked for. Files
that are there are not overwritten. Carry NAME.pub inside by another way than the mirror.`,
		Example: command.WithExamples(
			"kverify mirror keygen  # cosign.key and cosign.pub",
			"kverify mirror keygen keys/operator",
		),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return command.Usagef("mirror keygen takes one name and got %d; write kverify mirror keygen keys/operator", len(args))
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			a.Running = true
			name := "cosign"
			if len(args) == 1 {
				name = args[0]
			}
			return makeKeys(a, name)
		},
	}
}

// makeKeys writes both halves, or none.
func makeKeys(a *command.App, name string) error {
	dir, base := filepath.Split(name)
	if base == "" || base == "." || base == ".." {
		return command.Usagef("%q names no file; write kverify mirror keygen %soperator", name, name)
	}
	if dir == "" {
		dir = "."
	}
	if mirrorExists(dir) {
		return command.Usagef("%s is a mirror, with which the key would be carried away; name another directory", dir)
	}
	root, err := fetch.OpenDir(dir)
	if err != nil {
		return command.Usagef("%s: %w; name a file in a directory that exists", name, command.PlainError(err))
	}
	defer root.Close() //nolint:errcheck // only names lead through it
	for _, suffix := range []string{".key", ".pub"} {
		if _, err := root.Lstat(base + suffix); !errors.Is(err, fs.ErrNotExist) {
			return command.Usagef("%s is there already, and a key is not overwritten; give another name, or remove it", name+suffix)
		}
	}
	password, err := newPassword(a, name+".key")
	if err != nil {
		return err
	}
	private, public, err := sigstore.GenerateKeyPair(password)
	if err != nil {
		return fmt.Errorf("no pair of keys could be made: %w", err)
	}
	if err := writeNew(root, base+".key", private); err != nil {
		return command.Usagef("%s: %w; name files that can be written", name+".key", command.PlainError(err))
	}
	if err := writeNew(root, base+".pub", public); err != nil {
		return errors.Join(command.Usagef("%s: %w; name files that can be written", name+".pub", command.PlainError(err)), root.Remove(base+".key"))
	}
	if _, err := fmt.Fprintf(a.Stdout, "%s.key\n%s.pub\n", terminal.Escape(name), terminal.Escape(name)); err != nil {
		return err
	}
	a.Say("sign with --sign-key %s.key, which stays here; carry %s.pub inside by another way than the mirror, and give it to --key there", name, name)
	return nil
}

// newPassword is the password of a new key: from COSIGN_PASSWORD, or asked for twice.
func newPassword(a *command.App, key string) ([]byte, error) {
	if password := a.Getenv("COSIGN_PASSWORD"); password != "" {
		return []byte(password), nil
	}
	fd, ok := command.Terminal(a.Stderr)
	if !ok {
		return nil, command.Usagef("%s needs a password, and there is no terminal to ask on; set COSIGN_PASSWORD", key)
	}
	var said [2][]byte
	for i, prompt := range []string{"Password of the new %s: ", "The same again, of %s: "} {
		fmt.Fprintf(a.Stderr, prompt, terminal.Escape(key))
		var err error
		if said[i], err = term.ReadPassword(fd); err != nil {
			return nil, command.Usagef("%s: no password could be read (%w); set COSIGN_PASSWORD", key, err)
		}
		fmt.Fprintln(a.Stderr)
	}
	switch {
	case !bytes.Equal(said[0], said[1]):
		return nil, command.Usagef("%s: the two passwords differ; run it again", key)
	case len(said[0]) == 0:
		return nil, command.Usagef("%s: the password is empty, so that any reader of the file could sign; give one", key)
	}
	return said[0], nil
}

// writeNew writes a file that was not there, for its owner alone.
func writeNew(root *os.Root, name string, text []byte) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, root.Remove(name))
	}
	return nil
}
