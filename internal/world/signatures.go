package world

// putSignature stores a `.sig` manifest with a layer for each signature.
func (w *World) putSignature(repo, digest string, layers []*Signed) {
	type signedLayer struct {
		descriptor
		Annotations map[string]string `json:"annotations"`
	}
	m := struct {
		SchemaVersion int           `json:"schemaVersion"`
		MediaType     string        `json:"mediaType"`
		Config        descriptor    `json:"config"`
		Layers        []signedLayer `json:"layers"`
	}{SchemaVersion: 2, MediaType: mediaOCI}
	var ids []string
	for _, l := range layers {
		ids = append(ids, w.putBlob(l.Payload))
		m.Layers = append(m.Layers, signedLayer{describe(mediaSigning, l.Payload, nil), l.Annotations()})
	}
	type fields = map[string]any
	config := compactJSON(fields{
		"architecture": "", "os": "", "created": "0001-01-01T00:00:00Z", "config": fields{},
		"history": []fields{{"created": "0001-01-01T00:00:00Z"}},
		"rootfs":  fields{"type": "layers", "diff_ids": ids},
	})
	w.putBlob(config)
	m.Config = describe(mediaOCIConf, config, nil)
	w.putManifest(repo, Manifest{mediaOCI, compactJSON(m)}, sigTag(digest))
}
