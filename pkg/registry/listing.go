package registry

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/oci"
)

// referrersTag is the tag that stands in for the list of referrers where a
// registry keeps none (opencontainers/distribution-spec, "Referrers tag schema").
func referrersTag(subject Ref) Ref {
	return Ref{Host: subject.Host, Repository: subject.Repository, Tag: subject.Digest.Tag()}
}

// ReferrersOrNone lists what refers to a digest in a registry that is written to: as
// [Client.Referrers] does, but an answer that there is no such thing means that
// nothing refers to it yet.
func (c *Client) ReferrersOrNone(ctx context.Context, subject Ref) ([]Descriptor, error) {
	at, err := c.locate(subject.Host, subject.Repository)
	if err != nil {
		return nil, err
	}
	key := "no referrers API " + at.root
	if _, lacks := c.memo.get(key); !lacks {
		list, err := c.referrers(ctx, at, subject)
		var said *RefusedError
		switch {
		case !lacksAPI(err):
			return list, err
		case errors.As(refused(err), &said) && slices.Contains(said.Codes, "NAME_UNKNOWN"):
			return nil, nil // no such repository yet, and so no tag in it either
		}
		c.memo.put(key, nil, 0)
	}
	m, err := c.Manifest(ctx, referrersTag(subject))
	if fetch.Is(err, fetch.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	x, err := m.Index()
	if err != nil {
		return nil, err
	}
	return x.Manifests, nil
}

// AddReferrerTag adds a manifest to the tag that stands in for the list of
// referrers of its subject, as a client must where [Client.PutManifest] says
// that the registry has not taken note of it. What others have put there
// stays. The registry offers nothing against two who do so at the same time:
// let each subject have one writer.
func (c *Client) AddReferrerTag(ctx context.Context, subject Ref, mediaType string, body []byte) error {
	ref := referrersTag(subject)
	list := struct {
		SchemaVersion int               `json:"schemaVersion"`
		MediaType     string            `json:"mediaType"`
		Manifests     []json.RawMessage `json:"manifests"`
	}{SchemaVersion: 2, MediaType: OCIIndex, Manifests: []json.RawMessage{}}
	have, err := c.Manifest(ctx, ref)
	switch {
	case err == nil:
		x, err := have.Index()
		if err != nil {
			return err
		}
		digest := oci.DigestOf(body)
		for _, d := range x.Manifests {
			if d.Digest == digest {
				return nil
			}
		}
		if err := json.Unmarshal(have.Body, &list); err != nil {
			return &FormatError{Subject: ref.String(), Why: "a list of referrers that is invalid"}
		}
		list.MediaType = OCIIndex
	case !fetch.Is(err, fetch.NotFound):
		return err
	}
	_, image, err := ParseManifest(mediaType, body)
	if err != nil {
		return err
	}
	if image == nil || image.Subject == nil {
		return errors.New("a manifest without a subject refers to nothing")
	}
	entry := struct {
		MediaType    string            `json:"mediaType"`
		Digest       oci.Digest        `json:"digest"`
		Size         int               `json:"size"`
		Annotations  map[string]string `json:"annotations,omitempty"`
		ArtifactType string            `json:"artifactType,omitempty"`
	}{mediaType, oci.DigestOf(body), len(body), image.Annotations, image.ArtifactType}
	if entry.ArtifactType == "" {
		entry.ArtifactType = image.Config.MediaType
	}
	raw, err := json.Marshal(entry)
	if err != nil {
		return err
	}
	list.Manifests = append(list.Manifests, raw)
	out, err := json.Marshal(list)
	if err != nil {
		return err
	}
	if len(out) > ManifestLimit || len(list.Manifests) > maxReferrers {
		return &FormatError{Subject: ref.String(), Why: "a list of referrers that has no room for another"}
	}
	if _, err := c.PutManifest(ctx, ref, OCIIndex, out); err != nil {
		return err
	}
	back, err := c.Manifest(ctx, ref)
	if err == nil && back.Digest != oci.DigestOf(out) {
		err = &DigestError{Subject: ref.String(), Want: string(oci.DigestOf(out)), Got: string(back.Digest), Claim: "what was sent"}
	}
	return err
}
