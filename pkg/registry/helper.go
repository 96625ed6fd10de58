package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/kverify/kverify/internal/lazyregexp"
)

const (
	// helperTime bounds a credential helper: some ask a cloud, and some a person.
	helperTime = time.Minute
	// maxHelper caps what one says: tokens of clouds have a few KiB.
	maxHelper = 256 << 10
)

var helperRE = lazyregexp.New(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)

// runHelper asks the program docker-credential-NAME in PATH for the credentials
// of a server (docker/docker-credential-helpers, "Development": the server's
// name on its input, a JSON document on its output). What it does not know is
// no error.
func runHelper(ctx context.Context, helper, server string) (Credentials, error) {
	if !helperRE().MatchString(helper) {
		return Credentials{}, fmt.Errorf("it names the credential helper %s, which is not a name of one", strconv.QuoteToASCII(clip(helper)))
	}
	program := "docker-credential-" + helper
	ctx, cancel := context.WithTimeout(ctx, helperTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "get") //nolint:gosec // its name was checked, and is found in PATH alone
	cmd.Stdin = strings.NewReader(server)
	cmd.WaitDelay = time.Second
	var out capped
	cmd.Stdout = &out
	err := cmd.Run()
	switch {
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, exec.ErrDot):
		return Credentials{}, fmt.Errorf("%s, which it names, is not installed; install it, or set DOCKER_CONFIG to a directory without it", program)
	case ctx.Err() != nil:
		return Credentials{}, fmt.Errorf("%s gave no answer: %w", program, ctx.Err())
	case out.over:
		return Credentials{}, fmt.Errorf("%s says more than %d bytes", program, maxHelper)
	case err != nil:
		// Helpers say on their output why they fail (credentials.errCredentialsNotFound).
		said := strings.TrimSpace(out.buf.String())
		if strings.Contains(said, "credentials not found") {
			return Credentials{}, nil
		}
		return Credentials{}, fmt.Errorf("%s failed (%s): %s", program, oneLine(err), quoted(said))
	}
	var said struct{ Username, Secret string }
	if json.Unmarshal(out.buf.Bytes(), &said) != nil {
		return Credentials{}, fmt.Errorf("%s did not answer with a JSON document", program)
	}
	if said.Username == tokenUser {
		return Credentials{IdentityToken: said.Secret}, nil
	}
	return Credentials{Username: said.Username, Password: said.Secret}, nil
}

// capped keeps what fits, and says if there was more.
type capped struct {
	buf  bytes.Buffer
	over bool
}

func (c *capped) Write(p []byte) (int, error) {
	if c.buf.Len()+len(p) > maxHelper {
		c.over = true
		return len(p), nil
	}
	return c.buf.Write(p)
}

// tokenUser is the name under which docker keeps a refresh token.
const tokenUser = "<token>"
