// Package deploy tests deploy/kubernetes: it renders every kustomization, and holds what comes
// out against the schemas of the Kubernetes API and against what the manifests promise.
package deploy

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/kubectl-validate/pkg/openapiclient"
	"sigs.k8s.io/kubectl-validate/pkg/validator"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

const base = "../../deploy/kubernetes"

// versions are those of the API that the schemas are tried of: the oldest that has what the
// Job needs without a feature gate, and the newest that the validator knows.
var versions = []string{"1.29", "1.30"}

// render gives the documents that a kustomization makes.
func render(t *testing.T, dir string) (docs [][]byte) {
	t.Helper()
	m, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range m.Resources() {
		text, err := r.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, text)
	}
	if len(docs) == 0 {
		t.Fatalf("%s renders nothing", dir)
	}
	return docs
}

// kustomizations are the directories that can be applied.
func kustomizations(t *testing.T) (dirs []string) {
	t.Helper()
	found, err := filepath.Glob(base + "/*/kustomization.yaml")
	if err != nil || len(found) < 3 {
		t.Fatalf("%v (%v)", found, err)
	}
	dirs = append(dirs, base)
	for _, f := range found {
		dirs = append(dirs, filepath.Dir(f))
	}
	return dirs
}

// TestSchema holds all that is rendered against the API's schemas, which know every field.
func TestSchema(t *testing.T) {
	for _, version := range versions {
		v, err := validator.New(openapiclient.NewHardcodedBuiltins(version))
		if err != nil {
			t.Fatal(err)
		}
		check := func(text []byte) error {
			_, object, err := v.Parse(text)
			if err != nil {
				return err
			}
			return v.Validate(object)
		}
		for _, dir := range kustomizations(t) {
			for _, text := range render(t, dir) {
				if err := check(text); err != nil {
					t.Errorf("%s, %s: %v\n%s", version, dir, err, text)
				}
			}
		}
		for old, wrong := range map[string]string{"replicas:": "replica:", "runAsNonRoot: true": "runAsNonRoot: yes please", "containerPort: 9090": "containerPort: nine"} {
			text := ""
			for _, doc := range render(t, base+"/watch") {
				if strings.Contains(string(doc), old) {
					text = string(doc)
				}
			}
			if text == "" || check([]byte(strings.Replace(text, old, wrong, 1))) == nil {
				t.Errorf("%s: %q was accepted: the test tests nothing", version, wrong)
			}
		}
	}
}

// pod is the template of a workload; nil if the document is none.
func pod(t *testing.T, text []byte) (name string, spec *corev1.PodSpec) {
	t.Helper()
	var w struct {
		Kind     string `json:"kind"`
		Metadata struct {
			Name string `json:"name"`
		} `json:"metadata"`
		Spec struct {
			Template *corev1.PodTemplateSpec `json:"template"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(text, &w); err != nil {
		t.Fatal(err)
	}
	if w.Spec.Template == nil {
		return "", nil
	}
	return w.Kind + "/" + w.Metadata.Name, &w.Spec.Template.Spec
}

// TestPods holds every container to what it may do, and to limits.
func TestPods(t *testing.T) {
	n := 0
	for _, text := range render(t, base) {
		name, spec := pod(t, text)
		if spec == nil {
			continue
		}
		n++
		sc := spec.SecurityContext
		if sc == nil || sc.RunAsNonRoot == nil || !*sc.RunAsNonRoot || sc.RunAsUser == nil || *sc.RunAsUser != 65532 ||
			sc.SeccompProfile == nil || sc.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
			t.Errorf("%s: the pod may run as it likes", name)
		}
		if spec.AutomountServiceAccountToken == nil || *spec.AutomountServiceAccountToken {
			t.Errorf("%s: it gets a token of the cluster, and needs none", name)
		}
		volumes := map[string]bool{}
		for _, v := range spec.Volumes {
			volumes[v.Name] = true
		}
		for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
			where := name + " " + c.Name
			s := c.SecurityContext
			if s == nil || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem ||
				s.Capabilities == nil || fmt.Sprint(s.Capabilities.Drop) != "[ALL]" || len(s.Capabilities.Add) > 0 {
				t.Errorf("%s: the container may do more than it needs", where)
			}
			if c.Resources.Limits.Memory().IsZero() || c.Resources.Requests.Memory().IsZero() || c.Resources.Requests.Cpu().IsZero() {
				t.Errorf("%s: no limits", where)
			}
			if !strings.Contains(c.Image, "@sha256:") {
				t.Errorf("%s: the image is not named by digest", where)
			}
			for _, m := range c.VolumeMounts {
				if !volumes[m.Name] {
					t.Errorf("%s: no volume %s", where, m.Name)
				}
			}
		}
		if !strings.HasPrefix(name, "Job/") {
			if c := spec.Containers[0]; c.LivenessProbe == nil || c.ReadinessProbe == nil {
				t.Errorf("%s: no probes", name)
			}
		}
	}
	if n != 3 {
		t.Errorf("%d workloads are rendered", n)
	}
}

// TestJob holds what the API server and the shards would refuse.
func TestJob(t *testing.T) {
	text, err := os.ReadFile(base + "/job/job.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var job batchv1.Job
	if err := yaml.UnmarshalStrict(text, &job); err != nil {
		t.Fatal(err)
	}
	s := job.Spec
	if s.CompletionMode == nil || *s.CompletionMode != batchv1.IndexedCompletion || s.Completions == nil || s.BackoffLimitPerIndex == nil {
		t.Fatal("not an indexed Job with a back-off for each index")
	}
	c := s.Template.Spec.Containers[0]
	if shard := "--shard=$(JOB_COMPLETION_INDEX)/" + strconv.Itoa(int(*s.Completions)); !slices.Contains(c.Args, shard) {
		t.Errorf("no argument is %s: %v", shard, c.Args)
	}
	if s.MaxFailedIndexes != nil && *s.MaxFailedIndexes > *s.Completions {
		t.Error("more indexes may fail than there are")
	}
	if p := s.Template.Spec.RestartPolicy; p != corev1.RestartPolicyNever {
		t.Errorf("a failure policy for pods needs restartPolicy Never, not %s", p)
	}
	if s.PodFailurePolicy == nil || s.PodReplacementPolicy == nil || *s.PodReplacementPolicy != batchv1.Failed {
		t.Error("a failure policy needs podReplacementPolicy Failed")
	}
	for _, r := range s.PodFailurePolicy.Rules {
		if e := r.OnExitCodes; e != nil && (!slices.IsSorted(e.Values) || e.ContainerName == nil || *e.ContainerName != c.Name) {
			t.Error("exit codes must ascend, and be of the container that there is")
		}
		for _, p := range r.OnPodConditions {
			if p.Status != corev1.ConditionTrue {
				t.Errorf("%s must be True", p.Type)
			}
		}
	}
}

// TestOverlay sets image and namespace in one place, as a reader would.
func TestOverlay(t *testing.T) {
	dir := t.TempDir()
	target, err := filepath.Abs(base)
	if err != nil {
		t.Fatal(err)
	}
	rel, err := filepath.Rel(dir, target)
	if err != nil {
		t.Fatal(err)
	}
	digest := "sha256:" + strings.Repeat("1", 64)
	text := "resources: [" + rel + "]\nnamespace: verify\nimages:\n  - name: registry.example.com/kverify\n    newName: harbor.corp/tools/kverify\n    digest: " + digest + "\n"
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, doc := range render(t, dir) {
		if _, spec := pod(t, doc); spec != nil {
			for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
				if c.Image != "harbor.corp/tools/kverify@"+digest {
					t.Errorf("the image is %s", c.Image)
				}
			}
		}
		if !strings.Contains(string(doc), "namespace: verify") {
			t.Errorf("no namespace:\n%s", doc)
		}
	}
}
