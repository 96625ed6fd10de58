package sigstore

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/kverify/kverify/internal/strictjson"
	"github.com/kverify/kverify/pkg/oci"
)

// hashedRekord is a Rekor v1 entry of kind hashedrekord 0.0.1, the only kind
// that Kubernetes' signatures have.
// https://github.com/sigstore/rekor/blob/main/pkg/types/hashedrekord/v0.0.1/hashedrekord_v0_0_1_schema.json
type hashedRekord struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Spec       struct {
		Data struct {
			Hash struct {
				Algorithm string `json:"algorithm"`
				Value     string `json:"value"`
			} `json:"hash"`
		} `json:"data"`
		Signature struct {
			Content   []byte `json:"content"`
			PublicKey struct {
				Content []byte `json:"content"` // PEM
			} `json:"publicKey"`
		} `json:"signature"`
	} `json:"spec"`
}

func parseHashedRekord(body []byte) (*hashedRekord, error) {
	e := new(hashedRekord)
	if err := strictJSON(body, e); err != nil {
		return nil, err
	}
	if e.Kind != "hashedrekord" || e.APIVersion != "0.0.1" {
		return nil, fmt.Errorf("kind %.40q version %.20q, want hashedrekord 0.0.1", e.Kind, e.APIVersion)
	}
	return e, nil
}

// is says whether the entry stands for exactly this signature (base64) by this
// certificate over bytes of this digest. A difference is a
// [*MismatchError].
func (e *hashedRekord) is(digest oci.Digest, signature string, cert *x509.Certificate) error {
	if e.Spec.Data.Hash.Algorithm != oci.SHA256 || oci.FromHex(e.Spec.Data.Hash.Value) != digest {
		return &MismatchError{"the log entry is for other bytes", string(digest), e.Spec.Data.Hash.Algorithm + ":" + e.Spec.Data.Hash.Value}
	}
	sig, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		return err
	}
	if !bytes.Equal(sig, e.Spec.Signature.Content) {
		return &MismatchError{"the log entry is of another signature", signature, base64.StdEncoding.EncodeToString(e.Spec.Signature.Content)}
	}
	logged, err := oneBlock(e.Spec.Signature.PublicKey.Content)
	if err != nil {
		return fmt.Errorf("log entry: %w", err)
	}
	if !bytes.Equal(logged.Bytes, cert.Raw) {
		other := "one that cannot be read"
		if c, err := x509.ParseCertificate(logged.Bytes); err == nil {
			other = c.SerialNumber.String()
		}
		return &MismatchError{"the log entry is of another certificate", cert.SerialNumber.String(), other}
	}
	return nil
}

// strictJSON decodes one JSON value without fields that v does not have, and in
// which none appears twice.
func strictJSON(b []byte, v any) error {
	if err := strictjson.Check(b); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	return dec.Decode(v)
}
