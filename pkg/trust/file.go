package trust

import (
	"errors"
	"fmt"

	"github.com/kverify/kverify/internal/bounds"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
)

// maxFile caps a policy or trusted root file. The real ones are under 10 KB.
const maxFile = 1 << 20

// FileError reports a file that is not the policy or trusted root that it should be.
type FileError struct {
	Path, What string
	Err        error
}

func (e *FileError) Error() string {
	return fmt.Sprintf("%s is not a %s: %v", e.Path, e.What, e.Err)
}

func (e *FileError) Unwrap() error { return e.Err }

func digestOf(b []byte) string { return string(oci.DigestOf(b)) }

func readCapped(path string) ([]byte, error) {
	text, err := fetch.ReadFile(path, maxFile)
	if errors.Is(err, fetch.ErrNotRegular) || errors.Is(err, fetch.ErrTooBig) {
		return nil, &FileError{Path: path, What: "policy or trusted root", Err: fmt.Errorf("want a regular file of at most %d bytes", maxFile)}
	}
	return bounds.WithoutBOM(text), err
}
