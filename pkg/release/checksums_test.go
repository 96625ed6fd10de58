package release

import (
	"errors"
	"strings"
	"testing"
)

func TestChecksums(t *testing.T) {
	v := version(t, "v1.27.2")
	a, b := strings.Repeat("a", 64), strings.Repeat("b", 64)
	const build = "/workspace/src/k8s.io/kubernetes/_output-v1.27.2/gcs-stage/v1.27.2/"
	for name, data := range map[string]string{
		"absolute": a + "  " + build + "bin/linux/amd64/kubectl\n" + b + "  " + build + "kubernetes.tar.gz",
		"relative": a + "  bin/linux/amd64/kubectl\n" + b + "  kubernetes.tar.gz\n",
		"binary":   a + " *bin/linux/amd64/kubectl\n" + b + "  kubernetes.tar.gz\n" + b + "  kubernetes.tar.gz\n",
	} {
		got, err := ParseChecksums([]byte(data), v)
		if err != nil || got.Algorithm != "sha256" || len(got.Sums) != 2 || got.Sums["bin/linux/amd64/kubectl"] != a || got.Sums["kubernetes.tar.gz"] != b {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	var (
		format    *FormatError
		wrong     *WrongVersionError
		ambiguous *AmbiguousError
		limit     *LimitError
	)
	for name, c := range map[string]struct {
		data   string
		target any
	}{
		"another version's":     {a + "  " + strings.ReplaceAll(build, "v1.27.2", "v1.27.1") + "kubernetes.tar.gz", &wrong},
		"half another's":        {a + "  " + strings.Replace(build, "_output-v1.27.2", "_output-v1.27.1", 1) + "kubernetes.tar.gz", &wrong},
		"two hashes":            {a + "  kubernetes.tar.gz\n" + b + "  kubernetes.tar.gz\n", &ambiguous},
		"two hashes, two paths": {a + "  kubernetes.tar.gz\n" + b + "  " + build + "kubernetes.tar.gz\n", &ambiguous},
		"two algorithms":        {a + "  one\n" + b + b + "  two\n", &format},
		"another absolute path": {a + "  /etc/passwd\n", &format},
		"a path that climbs":    {a + "  " + build + "../../../etc/passwd\n", &format},
		"a relative climb":      {a + "  ../passwd\n", &format},
		"one space":             {a + " kubernetes.tar.gz\n", &format},
		"a tab":                 {a + "\t\tkubernetes.tar.gz\n", &format},
		"a carriage return":     {a + "  kubernetes\r.tar.gz\n", &format},
		"capitals":              {strings.Repeat("A", 64) + "  kubernetes.tar.gz\n", &format},
		"md5":                   {strings.Repeat("a", 32) + "  kubernetes.tar.gz\n", &format},
		"no hash":               {"kubernetes.tar.gz\n", &format},
		"an empty line":         {a + "  one\n\n" + b + "  two\n", &format},
		"nothing":               {"", &format},
		"a web page":            {"<html>\n</html>\n", &format},
		"too much":              {strings.Repeat("a", maxChecksums+1), &limit},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := ParseChecksums([]byte(c.data), v); err == nil || got != nil || !errors.As(err, c.target) {
				t.Errorf("%T: %v", err, err)
			}
		})
	}
}

func TestProvenance(t *testing.T) {
	v := version(t, "v1.27.2")
	sum := strings.Repeat("a", 64)
	subject := func(name, sum string) string {
		return `{"name":"` + name + `","digest":{"sha256":"` + sum + `"}}`
	}
	statement := func(subjects string) string {
		return `{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://slsa.dev/provenance/v0.1","subject":[` + subjects + `],"predicate":{"x":1}}`
	}
	const stage = "gs://bucket/stage/v1.27.2-rc.0.5+0123456789abcd/v1.27.2/gcs-stage/v1.27.2/"
	got, err := ParseProvenance([]byte(statement(subject(stage+"bin/linux/amd64/kubectl", sum)+","+subject("gs://bucket/stage/v1.27.2-rc.0.5+0123456789abcd/src.tar.gz", sum))), v)
	if err != nil || len(got.Subjects) != 2 || got.Subjects[0].Path != "bin/linux/amd64/kubectl" || got.Subjects[1].Path != "" || got.Subjects[0].SHA256 != sum {
		t.Fatalf("%+v, %v", got, err)
	}
	var (
		format    *FormatError
		wrong     *WrongVersionError
		ambiguous *AmbiguousError
	)
	for name, c := range map[string]struct {
		data   string
		target any
	}{
		"another version's":  {statement(subject(strings.ReplaceAll(stage, "v1.27.2/", "v1.27.1/")+"a", sum)), &wrong},
		"half another's":     {statement(subject(strings.Replace(stage, "v1.27.2/gcs", "v1.27.1/gcs", 1)+"a", sum)), &wrong},
		"two hashes":         {statement(subject(stage+"a", sum) + "," + subject(stage+"a", strings.Repeat("b", 64))), &ambiguous},
		"a path that climbs": {statement(subject(stage+"../a", sum)), &format},
		"no hash":            {statement(`{"name":"x","digest":{}}`), &format},
		"a short hash":       {statement(subject(stage+"a", sum[1:])), &format},
		"a key twice":        {statement(`{"name":"x","digest":{"sha256":"` + sum + `","sha256":"` + sum + `"}}`), &format},
		"a key in two cases": {statement(`{"name":"x","NAME":"y","digest":{"sha256":"` + sum + `"}}`), &format},
		"a key by folding":   {statement(`{"name":"x","digest":{"sha256":"` + sum + `"},"digeſt":{}}`), &format},
		"another type":       {strings.Replace(statement(subject("x", sum)), "in-toto.io/Statement", "example.org/Statement", 1), &format},
		"no subjects":        {statement(""), &format},
		"two documents":      {statement(subject("x", sum)) + "{}", &format},
		"too deep":           {strings.Repeat("[", 100000), &format},
		"a web page":         {"<html></html>", &format},
		"cut in half":        {statement(subject("x", sum))[:100], &format},
		"nothing":            {"", &format},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := ParseProvenance([]byte(c.data), v); err == nil || got != nil || !errors.As(err, c.target) {
				t.Errorf("%T: %v", err, err)
			}
		})
	}
}
