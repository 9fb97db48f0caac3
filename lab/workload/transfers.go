package workload

import (
	"context"
	"encoding/json"
	"fmt"

	"stasis/client"
	"stasis/lab/history"
)

// transfers: clients move money between accounts of two collections, each time in one transaction. There is no moment at which money is
// on its way.
type transfers struct{}

func (transfers) members() int { return 2 }

func (transfers) knows() Spec {
	s := common(Spec{Accounts: 8, Skew: knowsSkew})
	s.Shards = fewShards
	return s
}

// fewShards is how many shards each of several collections has.
const fewShards = 3

// holder is the key of an account, in turn in each collection.
func (x transfers) holder(i int) string { return at(i%x.members()+1, fmt.Sprintf("purse-%d", i)) }

func (x transfers) open(ctx context.Context, s *session) error {
	if err := s.openMembers(ctx); err != nil {
		return err
	}
	var plan []step
	for i := range s.spec.Accounts {
		plan = append(plan, step{Do: writing, Key: x.holder(i)})
	}
	return s.begin(ctx, plan, func(string) map[string]any { return map[string]any{"balance": initialBalance} })
}

// begin writes the first documents in one transaction, unless they are there: an attempt before may have ended unknown.
func (s *session) begin(ctx context.Context, plan []step, fields func(key string) map[string]any) error {
	there := false
	for ctx.Err() == nil && !there {
		done, err := s.transact(ctx, "open", plan, func(ctx context.Context, t *transaction) error {
			for _, p := range plan {
				seen, err := t.read(ctx, p.Key)
				if err == nil && seen.N > 0 {
					there, err = true, errNothing
				}
				if err == nil {
					err = t.write(ctx, p.Key, seen, 0, fields(p.Key))
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || done {
			return err
		}
	}
	return ctx.Err()
}

// mostParties is between how many accounts a transaction moves money.
const mostParties = 3

func (x transfers) live(ctx context.Context, s *session) error {
	pick := s.picker(s.spec.Accounts)
	for s.rest(ctx); ctx.Err() == nil; s.rest(ctx) {
		parties := s.distinct(pick(), min(s.spec.Accounts, 2+s.random.IntN(mostParties-1)), s.spec.Accounts)
		var keys []string
		for _, i := range parties {
			keys = append(keys, x.holder(i))
		}
		var err error
		if s.random.IntN(looks) == 0 {
			err = s.look(ctx, keys...)
		} else {
			err = s.transfer(ctx, keys, 1+s.random.IntN(mostAmount))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// looks is of how many things that a client does one is a look.
const looks = 4

// transfer takes an amount from the first account, or what it has, and gives it to the others.
func (s *session) transfer(ctx context.Context, keys []string, amount int) error {
	var plan []step
	for _, key := range keys {
		plan = append(plan, step{Do: reading, Key: key}, step{Do: writing, Key: key})
	}
	_, err := s.transact(ctx, "transfer", plan, func(ctx context.Context, t *transaction) error {
		left := 0
		for i, key := range keys {
			err := t.change(ctx, key, 0, func(seen document) (map[string]any, error) {
				var a account
				if seen.N == 0 {
					return nil, fmt.Errorf("account %s is gone", key)
				}
				err := json.Unmarshal(seen.raw, &a)
				part := left / (len(keys) - i)
				if i == 0 {
					left = min(amount, a.Balance)
					part = -left
				} else {
					left -= part
				}
				return map[string]any{"balance": a.Balance + part}, err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

// distinct are the first of some things and others, drawn alike.
func (s *session) distinct(first, n, of int) []int {
	all := []int{first}
	for _, i := range s.random.Perm(of) {
		if len(all) < n && i != first {
			all = append(all, i)
		}
	}
	return all
}

func (x transfers) read(ctx context.Context, c *client.Client, collection string) (State, error) {
	return readMembers(ctx, c, collection, x.members())
}

func (transfers) judge(g generation, found State, cut Cut) (Findings, error) {
	_, j, err := judgeTxns(g, found, cut)
	if err != nil {
		return Findings{}, err
	}
	return conserved(found, j)
}

// conserved adds up the accounts that there are. It needs no history.
func conserved(found State, j *judgement) (Findings, error) {
	sum := 0
	for key, doc := range found {
		var a account
		if err := json.Unmarshal(doc, &a); err != nil {
			return Findings{}, fmt.Errorf("document %s: %w", key, err)
		}
		sum += a.Balance
	}
	if want := initialBalance * len(found); sum != want {
		j.problem("the total of %d accounts is %d: want %d", len(found), sum, want)
	}
	return j.done(), nil
}

func (transfers) translate() (string, history.Translate) { return txnModel() }
