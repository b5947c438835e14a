-- Names the commands, status words and files of the card profile in Wireshark and tshark.
--
--     tshark -X lua_script:xuejika.lua -r trace.pcapng
--
-- Wireshark's own dissector shows the bytes of a command; for proprietary classes it does not know
-- what they mean. This adds the fields xuejika.command, xuejika.application, xuejika.file,
-- xuejika.status and xuejika.event, and says the same in the Info column. The tables between the
-- marks are those of the program; a test compares them (cli/tests/program/lua.rs).

-- Family (00 interindustry, 80 proprietary) and INS.
-- <commands>
local COMMANDS = {
    [0x0020] = "VERIFY",
    [0x0022] = "MANAGE SECURITY ENVIRONMENT",
    [0x0082] = "MUTUAL AUTHENTICATE / EXTERNAL AUTHENTICATE",
    [0x0084] = "GET CHALLENGE",
    [0x0088] = "INTERNAL AUTHENTICATE",
    [0x00A4] = "SELECT",
    [0x00B0] = "READ BINARY",
    [0x00B2] = "READ RECORD",
    [0x00C0] = "GET RESPONSE",
    [0x00D6] = "UPDATE BINARY",
    [0x8016] = "CARD BLOCK",
    [0x8018] = "APPLICATION UNBLOCK",
    [0x801A] = "DELIVERY KEY",
    [0x801E] = "APPLICATION BLOCK",
    [0x8024] = "PIN UNBLOCK",
    [0x8030] = "CHOOSE KEY VERSION",
    [0x8032] = "RESPOND TO CHALLENGE",
    [0x8034] = "OPEN SESSION",
    [0x8036] = "WRAP COMMAND",
    [0x8038] = "UNWRAP RESPONSE",
    [0x803A] = "WRAP KEY",
    [0x803C] = "WRAP OPENING",
    [0x803E] = "CLOSE SESSION",
    [0x8040] = "UNLOCK SAM",
    [0x8042] = "SET DATE",
    [0x8044] = "LOCK SAM",
    [0x8050] = "INITIALIZE TRANSACTION",
    [0x8052] = "CREDIT FOR LOAD",
    [0x8054] = "DEBIT",
    [0x805A] = "GET TRANSACTION PROVE",
    [0x805C] = "GET BALANCE",
    [0x805E] = "RELOAD / CHANGE PIN",
    [0x8070] = "INITIALIZE FOR PURCHASE",
    [0x8072] = "CREDIT FOR PURCHASE",
    [0x80CA] = "GET SAM STATE",
    [0x80D8] = "PUT KEY",
    [0x80DC] = "UPDATE CAPP DATA CACHE",
    [0x80F0] = "CHANGE LIFE CYCLE",
    [0x80FA] = "CIPHER DATA",
}
-- </commands>

-- <status words>
local STATUS = {
    [0x6283] = "selected file deactivated",
    [0x6300] = "authentication failed",
    [0x6400] = "execution error, card unchanged",
    [0x6581] = "memory failure",
    [0x6700] = "wrong length",
    [0x6881] = "logical channel not supported",
    [0x6882] = "secure messaging not supported",
    [0x6883] = "last command of the chain expected",
    [0x6884] = "command chaining not supported",
    [0x6901] = "wrong transaction state",
    [0x6981] = "command incompatible with file structure",
    [0x6982] = "security status not satisfied",
    [0x6983] = "authentication method blocked",
    [0x6984] = "reference data not usable",
    [0x6985] = "conditions of use not satisfied",
    [0x6986] = "no current EF",
    [0x6987] = "secure-messaging data object missing",
    [0x6988] = "secure-messaging data object incorrect",
    [0x6A80] = "wrong data",
    [0x6A81] = "function not supported",
    [0x6A82] = "file or application not found",
    [0x6A83] = "record not found",
    [0x6A84] = "not enough room in the record",
    [0x6A86] = "wrong P1 P2",
    [0x6A88] = "referenced data not found",
    [0x6B00] = "offset outside the file",
    [0x6D00] = "instruction not supported",
    [0x6E00] = "class not supported",
    [0x6F00] = "no precise diagnosis",
    [0x9000] = "success",
    [0x9302] = "MAC wrong",
    [0x9303] = "application blocked for good",
    [0x9401] = "not enough money",
    [0x9402] = "transaction counter at its maximum",
    [0x9403] = "key index not supported",
    [0x9406] = "no proof of this transaction",
}
-- </status words>

-- Dedicated files by identifier.
-- <applications>
local APPLICATIONS = {
    [0x1001] = "transit wallet",
    [0x3F00] = "master file",
    [0x3F01] = "PSAM application",
    [0xDF01] = "education zone",
    [0xDF11] = "extension sector",
    [0xDF12] = "extension sector",
    [0xDF13] = "extension sector",
    [0xDF14] = "extension sector",
    [0xDF15] = "extension sector",
    [0xDF16] = "extension sector",
    [0xDF17] = "extension sector",
    [0xDF18] = "extension sector",
    [0xDF80] = "management card",
    [0xDF81] = "SAM application",
}
-- </applications>

-- Dedicated files by name.
-- <names>
local NAMES = {
    ["315041592E5359532E4444463031"] = 0x3F00,
    ["4F43"] = 0x1001,
    ["50424F43"] = 0x1001,
    ["F0424A45445501"] = 0xDF01,
    ["F0424A45455401"] = 0xDF11,
    ["F0424A45455402"] = 0xDF12,
    ["F0424A45455403"] = 0xDF13,
    ["F0424A45455404"] = 0xDF14,
    ["F0424A45455405"] = 0xDF15,
    ["F0424A45455406"] = 0xDF16,
    ["F0424A45455407"] = 0xDF17,
    ["F0424A45455408"] = 0xDF18,
    ["F0424A454D4701"] = 0xDF80,
    ["F0424A45505301"] = 0x3F01,
    ["F0424A45534D01"] = 0xDF81,
}
-- </names>

-- Files by the identifier of their dedicated file and their short identifier.
-- <files>
local FILES = {
    [0x100102] = "purse",
    [0x100105] = "application control",
    [0x100115] = "issuer information",
    [0x100116] = "holder information",
    [0x100117] = "interoperation",
    [0x100118] = "transaction log",
    [0x100119] = "compound records",
    [0x3F0001] = "key file",
    [0x3F0004] = "public information",
    [0x3F0005] = "counter",
    [0x3F0015] = "PSAM information",
    [0x3F0016] = "terminal number",
    [0x3F001E] = "EF.DIR",
    [0x3F0117] = "application information",
    [0x3F0118] = "terminal sequence number",
    [0xDF0105] = "issuance",
    [0xDF0106] = "status",
    [0xDF0107] = "identity",
    [0xDF0108] = "enrolment",
    [0xDF0109] = "personalisation",
    [0xDF010A] = "registration",
    [0xDF010B] = "transfer",
    [0xDF010C] = "extension directory",
    [0xDF010D] = "operation log",
    [0xDF1101] = "sector",
    [0xDF1201] = "sector",
    [0xDF1301] = "sector",
    [0xDF1401] = "sector",
    [0xDF1501] = "sector",
    [0xDF1601] = "sector",
    [0xDF1701] = "sector",
    [0xDF1801] = "sector",
    [0xDF8001] = "authorisation",
    [0xDF8002] = "use counter",
    [0xDF8101] = "secrets",
    [0xDF8102] = "key file",
    [0xDF8103] = "last day",
}
-- </files>

local MF = 0x3F00
local SELECT, READ_BINARY, READ_RECORD, UPDATE_BINARY = 0x00A4, 0x00B0, 0x00B2, 0x00D6

local proto = Proto("xuejika", "Student-record card")
local fields = {
    command = ProtoField.string("xuejika.command", "Command"),
    application = ProtoField.string("xuejika.application", "Application"),
    file = ProtoField.string("xuejika.file", "File"),
    status = ProtoField.string("xuejika.status", "Status word"),
    event = ProtoField.string("xuejika.event", "Event"),
}
proto.fields = { fields.command, fields.application, fields.file, fields.status, fields.event }
local interface_id = Field.new("frame.interface_id")

-- What is selected on each interface, and what will be once the card agrees.
local current, wanted = {}, {}
-- What was found of each frame: only the first pass goes through them in order.
local found = {}

function proto.init()
    current, wanted, found = {}, {}, {}
end

-- Dissector, direction and where the bytes begin, from the tags of an exported PDU.
local function tags(tvb)
    local dissector, sent, at = nil, nil, 0
    while at + 4 <= tvb:len() do
        local tag, length = tvb(at, 2):uint(), tvb(at + 2, 2):uint()
        at = at + 4
        if tag == 0 then
            return dissector, sent, at
        end
        if at + length > tvb:len() then
            return nil
        end
        if tag == 12 and length > 0 then
            dissector = tvb(at, length):stringz()
        elseif tag == 35 and length == 4 then
            sent = tvb(at, length):uint() == 0
        end
        at = at + length
    end
    return nil
end

local function status_text(word)
    local text = STATUS[word]
    if text then
        return text
    end
    local high, low = math.floor(word / 256), word % 256
    if high == 0x61 then
        return (low == 0 and "256 or more" or low) .. " more bytes available"
    elseif high == 0x6C then
        return "wrong Le, " .. (low == 0 and 256 or low) .. " is right"
    elseif high == 0x63 and low >= 0xC0 then
        return "wrong, " .. (low - 0xC0) .. " tries left"
    end
    return nil
end

-- The dedicated file that a SELECT asks for.
local function selected(bytes)
    if bytes:len() < 6 or bytes:len() < 5 + bytes(4, 1):uint() then
        return bytes:len() <= 5 and bytes(2, 1):uint() == 0 and MF or nil
    end
    local data = bytes(5, bytes(4, 1):uint())
    if bytes(2, 1):uint() == 4 then
        return NAMES[data:bytes():tohex()]
    end
    local fid = data:len() == 2 and data:uint() or nil
    return APPLICATIONS[fid] and fid or nil
end

-- The file that a command names by its short identifier.
local function file(command, bytes, df)
    local p1, p2 = bytes(2, 1):uint(), bytes(3, 1):uint()
    if (command == READ_BINARY or command == UPDATE_BINARY) and p1 >= 0x80 then
        return FILES[df * 256 + p1 % 32]
    elseif command == READ_RECORD then
        return FILES[df * 256 + math.floor(p2 / 8)]
    end
    return nil
end

local function of_command(bytes, interface)
    if bytes:len() < 4 then
        return {}
    end
    local class = bytes(0, 1):uint()
    local family = (class >= 0x80 and class < 0xA0) and 0x8000 or 0
    local command = family + bytes(1, 1):uint()
    local df = current[interface] or MF
    wanted[interface] = nil
    if command == SELECT then
        wanted[interface] = selected(bytes)
        df = wanted[interface] or df
    end
    return {
        command = COMMANDS[command],
        application = APPLICATIONS[df],
        file = file(command, bytes, df),
    }
end

local function of_response(bytes, interface)
    if bytes:len() < 2 then
        return {}
    end
    local word = bytes(bytes:len() - 2, 2):uint()
    local high = math.floor(word / 256)
    if wanted[interface] and (high == 0x90 or high == 0x61 or high == 0x62) then
        current[interface] = wanted[interface]
    end
    wanted[interface] = nil
    local text = status_text(word)
    return { status = text and string.format("%04X %s", word, text) or nil }
end

local function of_event(bytes, interface)
    local json = bytes:len() > 0 and bytes(0):string() or ""
    local kind = json:match('"event":"([^"]*)"')
    if kind == "reset" or kind == "power" or kind == "begin" then
        current[interface] = nil
    end
    local text = kind
    for _, key in ipairs({ "case", "verdict", "text" }) do
        local value = json:match('"' .. key .. '":"([^"]*)"')
        text = value and text and (text .. " " .. value) or text
    end
    return { event = text }
end

function proto.dissector(tvb, pinfo, tree)
    local dissector, sent, at = tags(tvb)
    if dissector ~= "iso7816" and dissector ~= "json" then
        return
    end
    local bytes = at < tvb:len() and tvb(at):tvb() or ByteArray.new():tvb("empty")
    local about = found[pinfo.number]
    if not about then
        local id = interface_id()
        local interface = id and id.value or 0
        if dissector == "json" then
            about = of_event(bytes, interface)
        elseif sent then
            about = of_command(bytes, interface)
        else
            about = of_response(bytes, interface)
        end
        found[pinfo.number] = about
    end
    local words, branch = {}, nil
    for _, key in ipairs({ "command", "application", "file", "status", "event" }) do
        if about[key] then
            branch = branch or tree:add(proto, tvb(at))
            branch:add(fields[key], tvb(at), about[key])
            words[#words + 1] = about[key]
        end
    end
    if #words > 0 then
        pinfo.cols.info = table.concat(words, ", ")
    end
end

register_postdissector(proto)
