// apply-patch applies JSON patches as kube-apiserver applies what webhooks answer, by the library
// that it uses for that (k8s.io/apiserver, pkg/admission/plugin/webhook/mutating/dispatcher.go).
//
// Each line of its input has a document and a patch, each line of its output a result or an error.
package main

import (
	"encoding/json"
	"errors"
	"io"
	"log"
	"os"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
)

type pair struct {
	Document json.RawMessage `json:"document"`
	Patch    json.RawMessage `json:"patch"`
}

type result struct {
	Error  string          `json:"error,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
}

func main() {
	input, output := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var next pair
		if err := input.Decode(&next); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			log.Fatalf("cannot read a document and a patch: %v", err)
		}
		var answer result
		patched, err := apply(next)
		if err != nil {
			answer.Error = err.Error()
		} else {
			answer.Result = patched
		}
		if err := output.Encode(answer); err != nil {
			log.Fatalf("cannot write a result: %v", err)
		}
	}
}

func apply(pair pair) ([]byte, error) {
	patch, err := jsonpatch.DecodePatch(pair.Patch)
	if err != nil {
		return nil, err
	}
	return patch.Apply(pair.Document)
}
