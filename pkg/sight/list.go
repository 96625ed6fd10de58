package sight

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"strings"
)

// List reads a file that names images: what `kverify verify -f` is given. Its
// shape is told by its content, never by its name:
//
//   - lines: a reference, "sha256:<64 hex>" or a version each; "#" begins a comment
//   - crictl images -o json, crictl inspecti, kubeadm config images list (text, JSON)
//   - docker image inspect, podman inspect, podman images --format json, and
//     docker image ls --digests --no-trunc --format json, a JSON object a line
//   - kubectl get -o json or yaml of whatever has pods, pod templates or images: one
//     object, a List, several documents; Kubernetes' YAML; kubeadm's configuration
//
// It is read as it comes, and nothing of it is kept, so that ten thousand pods
// need the memory of one. A YAML document is held whole, and has a limit.
type List struct {
	r     io.Reader
	found found
}

// A list's form is told by its first 4 KiB, or by 64 if all of those are comments.
const minHead, maxHead = 4 << 10, 64 << 10

var byteOrderMark = []byte("\xef\xbb\xbf")

// NewList reads from r, which source names in messages and places ("-" for the
// standard input).
func NewList(source string, r io.Reader) *List {
	return &List{r: r, found: found{source: source}}
}

// All yields what stands in the list, in its order. It can be ranged over once.
// What is wrong with one entry is its [Sighting.Fault], and the others go on. An
// error comes last, with a zero Sighting: a [*ListError] if the list is not a list, is
// broken or too large, else the reader's or the context's. What was yielded
// before it was read well, and is not all.
func (l *List) All(ctx context.Context) iter.Seq2[Sighting, error] {
	return func(yield func(Sighting, error) bool) {
		l.found.yield = yield
		if err := l.read(ctx); err != nil && !errors.Is(err, errStopped) {
			yield(Sighting{}, err)
		}
	}
}

// Notes says, after All has ended, what gave no result: documents without a pod
// template, nodes whose list of images is cut off, versions that kubelets give
// themselves. Each is a sentence without its full stop, and without control characters.
func (l *List) Notes() []string { return l.found.notes() }

// Unjudged are those of the notes that tell of entries which may stand for images and name
// none: containers without an image, values of no known form. A verdict over the list does
// not speak of them, and says so: they belong into [report.Scope.Remarks].
func (l *List) Unjudged() []string { return l.found.unjudged() }

func (l *List) read(ctx context.Context) error {
	f := &l.found
	r := bufio.NewReaderSize(l.r, maxHead)
	var head []byte
	shape := ""
	for size := minHead; shape == "" && size <= maxHead; size *= 4 {
		var err error
		if head, err = r.Peek(size); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		told := bytes.TrimPrefix(head, byteOrderMark)
		if end := bytes.LastIndexByte(told, '\n'); end >= 0 && len(head) == size {
			told = told[:end] // the last line may be cut
		}
		if shape = shapeOf(told); len(head) < size {
			break
		}
	}
	if what, hint := notText(head[:min(len(head), minHead)]); what != "" {
		return &ListError{Source: f.source, Why: "it is " + what, Hint: hint, NotAList: true}
	}
	if rest, ok := bytes.CutPrefix(head, byteOrderMark); ok {
		head = rest
		if _, err := r.Discard(len(byteOrderMark)); err != nil {
			return err
		}
	}
	err := l.readAs(ctx, shape, r)
	var broken *ListError
	if errors.As(err, &broken) && !f.understood && isMarkdown(head) {
		return &ListError{Source: f.source, Why: "it is Markdown", Hint: Shapes, NotAList: true, Err: err}
	}
	if err == nil && !f.understood {
		why := "it holds nothing that a list has"
		if len(bytes.TrimSpace(head)) == 0 {
			return &ListError{Source: f.source, Why: "it is empty", Hint: "what should have written it may have failed; " + Shapes, NotAList: true}
		}
		return &ListError{Source: f.source, Why: why, Hint: Shapes, NotAList: true}
	}
	return err
}

func (l *List) readAs(ctx context.Context, shape string, r *bufio.Reader) error {
	f := &l.found
	switch shape {
	case "json":
		return f.readJSON(ctx, r, f.value)
	case "yaml":
		return f.readYAML(ctx, r, f.value)
	case "spdx":
		return &ListError{Source: f.source, Why: "it is " + inSPDX, Hint: alienHint(inSPDX), NotAList: true}
	case "template":
		return &ListError{Source: f.source, Why: "it is a template", Hint: "render it first: helm template ... | kverify verify -f -", NotAList: true}
	}
	return f.readLines(ctx, r)
}

// shapeOf tells JSON, YAML and lines apart by the first line that says something, and is
// empty if none does. Of what stands in a list of lines, only a word is followed by a colon and a blank.
// JSON has no comments: with one above it, it is YAML, as kubectl would read it.
func shapeOf(head []byte) string {
	commented := false
	for line := range bytes.Lines(head) {
		text := uncommented(string(line))
		switch {
		case text == "":
			commented = commented || bytes.Contains(line, []byte("#"))
			continue
		case strings.HasPrefix(text, "{{"):
			return "template"
		case strings.HasPrefix(text, "SPDXVersion:"): // the tag-value form; its YAML writes spdxVersion
			return "spdx"
		case !commented && (text[0] == '{' || text[0] == '['):
			return "json"
		case strings.HasPrefix(text, "---") && !strings.HasPrefix(text, "-----"), text[0] == '%', strings.HasPrefix(text, "- "),
			strings.HasSuffix(text, ":"), strings.Contains(text, ": "), text[0] == '{', text[0] == '[':
			return "yaml"
		}
		return "lines"
	}
	return ""
}
