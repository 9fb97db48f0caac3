package asyncjob

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"stasis/agency/answer"
	"stasis/internal/apierror"
)

// Serve answers what is below Path; rest is the path after it.
func (j *Jobs) Serve(w http.ResponseWriter, r *http.Request, rest string) error {
	parts := strings.Split(rest, "/")
	if len(parts) == 1 && r.Method == http.MethodPut {
		return j.fetch(w, parts[0])
	}
	j.memory.mu.Lock()
	defer j.memory.mu.Unlock()
	j.expire(time.Now().Add(-jobLife))
	switch {
	case len(parts) == 1 && r.Method == http.MethodGet:
		return j.look(w, parts[0])
	case len(parts) == 2 && parts[1] == "cancel" && r.Method == http.MethodPut:
		b, _, err := j.find(parts[0])
		if err != nil {
			return err
		}
		b.cancel()
	case len(parts) == 1 && r.Method == http.MethodDelete:
		if err := j.drop(parts[0], r.URL.Query()); err != nil {
			return err
		}
	case len(parts) > 2:
		return apierror.New(apierror.NotFound, "unknown path '%s'", r.URL.Path)
	default:
		return apierror.New(apierror.MethodNotAllowed, "method %s is not supported for %s", r.Method, r.URL.Path)
	}
	answer.Write(w, http.StatusOK, map[string]bool{"result": true})
	return nil
}

func (j *Jobs) find(name string) (*Job, uint64, error) {
	id, err := strconv.ParseUint(name, 10, 64)
	if b, ok := j.all[id]; ok && err == nil {
		return b, id, nil
	}
	return nil, 0, apierror.New(apierror.NotFound, "no job '%s'", name)
}

// look lists the ids of the jobs that are done or pending, or tells which of the two a job is.
func (j *Jobs) look(w http.ResponseWriter, name string) error {
	if name == "done" || name == "pending" {
		ids := []string{}
		for id, b := range j.all {
			if b.done == (name == "done") {
				ids = append(ids, strconv.FormatUint(id, 10))
			}
		}
		slices.Sort(ids)
		answer.Write(w, http.StatusOK, ids)
		return nil
	}
	b, id, err := j.find(name)
	if err != nil {
		return err
	}
	w.Header().Set(IDHeader, strconv.FormatUint(id, 10))
	if !b.done {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusOK)
	return nil
}

// fetch gives the stored answer, once.
func (j *Jobs) fetch(w http.ResponseWriter, name string) error {
	b, id, text, err := j.take(name)
	if err != nil {
		return err
	}
	w.Header().Set(IDHeader, strconv.FormatUint(id, 10))
	if text == nil {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	maps.Copy(w.Header(), b.header)
	w.WriteHeader(b.status)
	_, _ = w.Write(text) // the client may be gone
	return nil
}

// take removes an answer and gives its text, nil while it is not complete.
func (j *Jobs) take(name string) (b *Job, id uint64, text []byte, err error) {
	j.memory.mu.Lock()
	defer j.memory.mu.Unlock()
	j.expire(time.Now().Add(-jobLife))
	if b, id, err = j.find(name); err != nil || !b.done {
		return b, id, nil, err
	}
	text = append([]byte{}, b.body.Bytes()...)
	j.forget(id)
	return b, id, text, nil
}

// drop removes answers: one, all, or those that were complete before a stamp in seconds.
func (j *Jobs) drop(name string, q url.Values) error {
	switch name {
	case "all":
		j.expire(time.Now().Add(time.Second))
	case "expired":
		stamp, err := strconv.ParseFloat(q.Get("stamp"), 64)
		if err != nil || stamp < 0 || stamp > 1<<40 {
			return apierror.New(apierror.BadParameter, "stamp is no number of seconds: %q", q.Get("stamp"))
		}
		j.expire(time.UnixMilli(int64(stamp * 1000)))
	default:
		b, id, err := j.find(name)
		if err != nil {
			return err
		}
		b.cancel()
		j.forget(id)
	}
	return nil
}
