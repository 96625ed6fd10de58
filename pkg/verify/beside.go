package verify

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/internal/session"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/report"
)

// copies says whether a stand-in answers for the registry. It need not have the
// repositories of single architectures: other tools copy an index with its
// children, beside it (rule 20).
func (r *run) copies() bool { return !r.whole && r.registry.StandsIn(r.session.Policy.Images.Registry) }

// examineBeside reads a platform of a release at a stand-in: by its digest
// beside the index, always. Its own name is asked for too, and can only refute:
// what else than a manifest is answered there is a note.
func (r *run) examineBeside(ctx context.Context, im *image, p *platform, beside registry.Ref) {
	own := r.own(im, p.arch)
	ask := im.early[p.arch]
	if ask == nil {
		ask = func() (*registry.Manifest, error) { return r.registry.Manifest(ctx, own) }
	}
	var other report.Check // what the own name contradicts
	err := session.Guard(func() {
		par.Do(
			func() { r.readPlatform(ctx, im, p, beside) },
			func() {
				p.signed = signed{absent: true}
				m, err := ask()
				var differs *registry.DigestError
				switch {
				case errors.As(err, &differs):
					other = r.failed(report.Digest, err)
				case err != nil:
					if ctx.Err() == nil {
						p.absent = own.String()
						r.session.Absent.Add(p.absent)
					}
				case m.Digest != p.desc.Digest:
					other = r.check(report.Digest, report.Refuted, report.Mismatch,
						"%s is %s, but the index of %s says %s for %s", own, m.Digest, r.subject(im), p.desc.Digest, p.name)
				default:
					p.seenAs = append(p.seenAs, own.String())
					p.signed = r.imageSignature(ctx, own.Repository, p.desc.Digest, im.name, p.arch)
				}
			})
	})
	switch {
	case err != nil:
		p.digestCheck, p.signed = r.failed(report.Digest, err), r.notLookedAt()
	case other.Name != "":
		p.digestCheck = other
	}
}

// notes are remarks on an image that change no verdict.
func (im *image) notes() (out []string) {
	var names []string
	for _, p := range im.platforms {
		if p.absent != "" {
			names = append(names, p.absent[strings.LastIndexByte(p.absent, '/')+1:])
		}
	}
	if len(names) > 0 {
		out = append(out, fmt.Sprintf("the stand-in gives no manifest under %d names of single architectures (%s); they were read beside the index, by digest",
			len(names), strings.Join(names, ", ")))
	}
	return out
}
