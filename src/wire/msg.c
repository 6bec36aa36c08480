/*
 * The names of messages.  Everything else about a frame is in the header,
 * because it runs for every message.  Any thread.
 */

#include "wire/msg.h"

static const char *const	msg_client_names[256] = {
	[MSG_BIND] = "Bind",
	[MSG_CLOSE] = "Close",
	[MSG_COPY_DATA] = "CopyData",
	[MSG_COPY_DONE] = "CopyDone",
	[MSG_COPY_FAIL] = "CopyFail",
	[MSG_DESCRIBE] = "Describe",
	[MSG_EXECUTE] = "Execute",
	[MSG_FLUSH] = "Flush",
	[MSG_FUNCTION_CALL] = "FunctionCall",
	[MSG_PARSE] = "Parse",
	[MSG_PASSWORD] = "PasswordMessage",
	[MSG_QUERY] = "Query",
	[MSG_SYNC] = "Sync",
	[MSG_TERMINATE] = "Terminate",
};

static const char *const	msg_server_names[256] = {
	[MSG_AUTH] = "Authentication",
	[MSG_BACKEND_KEY] = "BackendKeyData",
	[MSG_BIND_COMPLETE] = "BindComplete",
	[MSG_CLOSE_COMPLETE] = "CloseComplete",
	[MSG_COMMAND_COMPLETE] = "CommandComplete",
	[MSG_COPY_BOTH] = "CopyBothResponse",
	[MSG_COPY_DATA] = "CopyData",
	[MSG_COPY_DONE] = "CopyDone",
	[MSG_COPY_IN] = "CopyInResponse",
	[MSG_COPY_OUT] = "CopyOutResponse",
	[MSG_DATA_ROW] = "DataRow",
	[MSG_EMPTY_QUERY] = "EmptyQueryResponse",
	[MSG_ERROR] = "ErrorResponse",
	[MSG_FUNCTION_RESULT] = "FunctionCallResponse",
	[MSG_NEGOTIATE_VERSION] = "NegotiateProtocolVersion",
	[MSG_NOTICE] = "NoticeResponse",
	[MSG_NOTIFICATION] = "NotificationResponse",
	[MSG_NO_DATA] = "NoData",
	[MSG_PARAMETER_DESCRIPTION] = "ParameterDescription",
	[MSG_PARAMETER_STATUS] = "ParameterStatus",
	[MSG_PARSE_COMPLETE] = "ParseComplete",
	[MSG_PORTAL_SUSPENDED] = "PortalSuspended",
	[MSG_READY] = "ReadyForQuery",
	[MSG_ROW_DESCRIPTION] = "RowDescription",
};

const char *
msg_client_name(uint8_t type)
{
	return msg_client_names[type] != NULL ? msg_client_names[type] :
	    "unknown message";
}

const char *
msg_server_name(uint8_t type)
{
	return msg_server_names[type] != NULL ? msg_server_names[type] :
	    "unknown message";
}
