package rclone

import (
	"slices"
	"strconv"

	"github.com/rclone/rclone/fs"
)

// rule says what a request may set of a backend. It is an allow-list: an option that
// is in neither list is refused too, and TestEveryOptionIsClassified fails when rclone
// has one that no developer has read about.
type rule struct {
	allow  string            // options, separated by spaces
	refuse map[string]string // option → what is wrong with it
	wraps  bool              // its option "remote" is a remote itself
	check  func(section map[string]string) error
}

// Why options are refused.
const (
	namesFile    = "it names a file of the server"
	runsCommand  = "it is a command"
	usesServer   = "it uses the server's own credentials or environment"
	asksTerminal = "it asks at a terminal"
	otherRoute   = "it chooses another way to the remote than the server's"
	ownClient    = "its requests are made by a client that the server cannot watch"
	showsMore    = "it shows more than a backup needs"
)

// rules are the backends that a request may use. A backend that is not here, also one
// that only the build with every backend has, can be used as a remote of the operator.
var rules = map[string]rule{
	"local":  {allow: "description", refuse: every("local", "the server writes below --backup.local-root by its own rules", "description")},
	"memory": {allow: "description discard"},
	"crypt": {
		allow:  "remote filename_encryption directory_name_encryption password password2 no_data_encryption pass_bad_blocks strict_names filename_encoding suffix description",
		refuse: map[string]string{"show_mapping": showsMore, "server_side_across_configs": "a request has one configuration"},
		wraps:  true,
	},
	"compress": {allow: "remote mode level ram_cache_limit description", wraps: true},
	"ftp": {
		allow: "host user port pass tls explicit_tls concurrency no_check_certificate disable_epsv disable_mlsd disable_utf8 writing_mdtm " +
			"force_list_hidden idle_timeout close_timeout tls_cache_size disable_tls13 allow_insecure_tls_ciphers shut_timeout no_check_upload encoding description",
		refuse: map[string]string{"ask_password": asksTerminal, "socks_proxy": otherRoute, "http_proxy": otherRoute},
		check:  needsHost,
	},
	"http": {allow: "url headers no_slash no_head no_head_size no_head_time no_escape description"},
	"sftp": {
		allow: "host user port pass key_pem key_file_pass pubkey pin_host_key host_keys use_insecure_cipher disable_hashcheck path_override encoding " +
			"set_modtime shell_type hashes skip_links subsystem use_fstat disable_concurrent_reads disable_concurrent_writes multithread_upload " +
			"idle_timeout chunk_size concurrency connections ciphers key_exchange macs host_key_algorithms copy_is_hardlink description",
		refuse: map[string]string{
			"key_file": namesFile, "pubkey_file": namesFile, "known_hosts_file": namesFile, "key_use_agent": usesServer, "ask_password": asksTerminal,
			"ssh": runsCommand, "server_command": runsCommand, "md5sum_command": runsCommand, "sha1sum_command": runsCommand, "crc32sum_command": runsCommand,
			"sha256sum_command": runsCommand, "blake3sum_command": runsCommand, "xxh3sum_command": runsCommand, "xxh128sum_command": runsCommand,
			"set_env": usesServer, "socks_proxy": otherRoute, "http_proxy": otherRoute,
		},
		check: sftpNeedsCredentials,
	},
	"smb": {
		allow:  "host user port pass domain spn workstation idle_timeout hide_special_share case_insensitive encoding description",
		refuse: map[string]string{"use_kerberos": usesServer, "kerberos_ccache": namesFile},
		check:  needsHost,
	},
	"webdav": {
		allow:  "url vendor user pass bearer_token encoding headers pacer_min_sleep nextcloud_chunk_size owncloud_exclude_shares owncloud_exclude_mounts auth_redirect description",
		refuse: map[string]string{"bearer_token_command": runsCommand, "unix_socket": namesFile},
		check:  webdavVendor,
	},
	"dropbox": {
		allow: "client_id client_secret token auth_url token_url client_credentials chunk_size impersonate impersonate_admin shared_files shared_folders " +
			"skip_shared_folders skip_unowned_folders pacer_min_sleep encoding root_namespace export_formats skip_exports show_all_exports batch_mode " +
			"batch_size batch_timeout batch_commit_timeout description",
	},
	"google cloud storage": {
		allow: "project_number user_project service_account_credentials access_token anonymous object_acl bucket_acl bucket_policy_only location " +
			"storage_class directory_markers no_check_bucket decompress endpoint encoding description",
		refuse: map[string]string{
			"service_account_file": namesFile, "env_auth": usesServer,
			// When a token cannot be used, rclone goes on with the server's own credentials.
			"token": usesServer, "client_id": usesServer, "client_secret": usesServer, "auth_url": usesServer, "token_url": usesServer, "client_credentials": usesServer,
		},
		check: gcsNeedsCredentials,
	},
	"azureblob": {
		allow: "account key sas_url connection_string tenant client_id client_secret client_send_certificate_chain username password " +
			"disable_instance_discovery use_emulator endpoint upload_cutoff chunk_size upload_concurrency copy_cutoff copy_concurrency copy_total_concurrency " +
			"use_copy_blob list_chunk use_arrow_list list_parallelism access_tier archive_tier_delete disable_checksum memory_pool_flush_time memory_pool_use_mmap " +
			"encoding public_access directory_markers hns no_check_container no_head_object delete_snapshots decompress description",
		refuse: map[string]string{
			"env_auth": usesServer, "client_certificate_path": namesFile, "client_certificate_password": namesFile, "service_principal_file": namesFile,
			"use_msi": usesServer, "msi_object_id": usesServer, "msi_client_id": usesServer, "msi_mi_res_id": usesServer, "use_az": runsCommand,
		},
	},
	"s3": {
		allow: "provider access_key_id secret_access_key region endpoint location_constraint acl bucket_acl requester_pays server_side_encryption " +
			"sse_customer_algorithm sse_kms_key_id sse_customer_key sse_customer_key_base64 sse_customer_key_md5 storage_class upload_cutoff chunk_size " +
			"max_upload_parts copy_cutoff disable_checksum session_token upload_concurrency force_path_style v2_auth use_dual_stack use_accelerate_endpoint " +
			"use_arn_region leave_parts_on_error list_chunk list_version list_url_encode no_check_bucket no_head no_head_object encoding memory_pool_flush_time " +
			"memory_pool_use_mmap disable_http2 download_url directory_markers use_multipart_etag use_unsigned_payload use_presigned_request " +
			"use_data_integrity_protections versions version_at version_deleted decompress might_gzip use_accept_encoding_gzip no_system_metadata " +
			"use_already_exists use_multipart_uploads list_versions_oldest_first use_x_id sign_accept_encoding directory_bucket object_lock_mode " +
			"object_lock_retain_until_date object_lock_legal_hold_status bypass_governance_retention bucket_object_lock_enabled object_lock_set_after_upload " +
			"object_lock_supported description",
		refuse: map[string]string{
			"env_auth": usesServer, "shared_credentials_file": namesFile, "profile": usesServer,
			"role_arn": ownClient, "role_session_name": ownClient, "role_session_duration": ownClient, "role_external_id": ownClient, "sts_endpoint": ownClient,
			"ibm_api_key": ownClient, "ibm_resource_instance_id": ownClient, "ibm_iam_endpoint": ownClient, "sdk_log_mode": showsMore,
		},
	},
}

// every refuses all options of a backend but some.
func every(backend, why string, but ...string) map[string]string {
	refused := map[string]string{}
	info, err := fs.Find(backend)
	if err != nil {
		return refused
	}
	for _, o := range info.Options {
		if !slices.Contains(but, o.Name) {
			refused[o.Name] = why
		}
	}
	return refused
}

// byDefault says whether a backend may be used when --backup.remote-types says
// nothing. What is kept in memory is no backup.
func byDefault(backend string) bool { return backend != "memory" }

func needsHost(section map[string]string) error {
	if section["host"] == "" {
		return refusal(`option "host" is missing`)
	}
	return nil
}

// sftpNeedsCredentials: without any rclone asks the server's SSH agent.
func sftpNeedsCredentials(section map[string]string) error {
	if section["pass"] == "" && section["key_pem"] == "" {
		return refusal(`option "pass" or "key_pem" is missing: the server's SSH agent is not used`)
	}
	return needsHost(section)
}

// gcsNeedsCredentials: without any rclone takes those of the server's machine.
func gcsNeedsCredentials(section map[string]string) error {
	if anonymous, err := strconv.ParseBool(section["anonymous"]); err == nil && anonymous {
		return nil
	}
	if section["service_account_credentials"] == "" && section["access_token"] == "" {
		return refusal(`option "service_account_credentials", "access_token" or "anonymous" is missing: the server's own credentials are not used`)
	}
	return nil
}

// webdavVendor: for sharepoint rclone logs in with a client of its own.
func webdavVendor(section map[string]string) error {
	if section["vendor"] == "sharepoint" {
		return refusal(`option "vendor": sharepoint is not for requests: %s`, ownClient)
	}
	return nil
}
