package world

// ProvenanceForm says how a release's provenance.json is written. The zero
// value is the form that dl.k8s.io publishes: a SLSA v0.2 statement by krel over
// what the SBOM lists, which names the two programs for Windows twice.
type ProvenanceForm struct {
	Bucket  string // in the subjects' names; "kubernetes-release" if empty
	Version string // in the subjects' names; the release's own if empty
	// Staged names everything where the build staged it, beside what it staged
	// elsewhere, in a statement of SLSA v0.1: the form that is not published.
	Staged bool
	Newer  bool                                // a SLSA v1 statement
	Name   func(path string) string            // of a subject, in place of what the above make
	Change func(statement map[string]any)      // whatever else is other
	Digest func(path string, d map[string]any) // changes a subject's digests
	Sign   *Signing                            // sign it in place as a Sigstore bundle; krel-staging if it names no identity
}

// PutProvenance writes a release's provenance.json anew, with its checksums.
func (w *World) PutProvenance(version string, form ProvenanceForm) {
	r := w.release(version)
	body := r.provenance(form)
	if form.Sign != nil {
		how := *form.Sign
		how.Identity = orElse(how.Identity, KrelStage)
		if how.Time.IsZero() {
			how.Time = r.time
		}
		body = w.sig.Attest(body, how).Bundle("0.3")
	}
	w.PutDocument(FileURL(version, "provenance.json"), body)
}

// provenance is an in-toto statement about a release's files
// (slsa.dev/provenance/v0.2 and v1).
func (r *release) provenance(form ProvenanceForm) []byte {
	type m = map[string]any
	version := orElse(form.Version, r.version)
	prefix := sprintf("gs://%s/release/%s/", orElse(form.Bucket, "kubernetes-release"), version)
	var subjects []m
	add := func(name, path string, body []byte) {
		digest := m{"sha1": hexSHA1(body), "sha256": hexSHA256(body), "sha512": hexSHA512(body)}
		if form.Staged {
			delete(digest, "sha1")
		}
		if form.Digest != nil {
			form.Digest(path, digest)
		}
		subjects = append(subjects, m{"name": name, "digest": digest})
	}
	if form.Staged {
		stage := sprintf("gs://%s/stage/%s-rc.0.5+0123456789abcd/", orElse(form.Bucket, "kubernetes-release-gcb"), version)
		add(stage+"src.tar.gz", "", []byte("the source of "+r.version))
		prefix = sprintf("%s%s/gcs-stage/%[2]s/", stage, version)
	}
	for _, f := range r.files {
		if f.built == "" && !form.Staged {
			continue
		}
		name := prefix + f.path
		if form.Name != nil {
			name = form.Name(f.path)
		}
		add(name, f.path, f.body)
		if f.also != "" && !form.Staged {
			add(name, f.path, f.body)
		}
	}
	statement := m{
		"_type": "https://in-toto.io/Statement/v0.1", "predicateType": PredicateProvenance02, "subject": subjects,
		"predicate": m{"builder": m{"id": KrelBuilder}, "buildType": "https://cloudbuild.googleapis.com/CloudBuildYaml@v1"},
	}
	switch {
	case form.Newer:
		statement["_type"], statement["predicateType"] = "https://in-toto.io/Statement/v1", PredicateProvenance
		statement["predicate"] = m{
			"buildDefinition": m{"buildType": KrelBuildType, "externalParameters": m{"type": "official"}},
			"runDetails":      m{"builder": m{"id": KrelBuilder}},
		}
	case form.Staged:
		statement["predicateType"] = "https://slsa.dev/provenance/v0.1"
		statement["predicate"] = m{"builder": m{"id": "https://example.com/kverify-test-world"}}
	}
	if form.Change != nil {
		form.Change(statement)
	}
	return compactJSON(statement)
}
