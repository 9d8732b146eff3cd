using System.Security.Cryptography;
using System.Text;

namespace Hearth.Host.Service;

/// <summary>What a key lets its bearer do; the names are those of the command line and of the file.</summary>
[Flags]
internal enum KeyVerbs
{
    None = 0,

    /// <summary>Chats, completions, responses, messages: whatever makes a model write, and the caller's own conversations.</summary>
    Generate = 1,

    /// <summary>Vectors and ranking.</summary>
    Embed = 2,

    /// <summary>What runs and what it takes: metrics, slots, properties, caches, loaded models.</summary>
    Inspect = 4,

    /// <summary>What changes the service for everybody: pull, create, copy, delete, load and unload.</summary>
    Manage = 8,

    All = Generate | Embed | Inspect | Manage,
}

/// <summary>Who may ask for what, and how much of it. The key itself is not kept, but a digest that nobody can turn back.</summary>
internal sealed record ApiKey
{
    /// <summary>Verbs of a key of which nothing is said.</summary>
    public const KeyVerbs UsualVerbs = KeyVerbs.Generate | KeyVerbs.Embed;

    private const string Prefix = "hearth-";

    /// <summary>Names the key for good, whatever other key gets its name later: what is cached and kept under it is nobody else's.</summary>
    public required string Id { get; init; }

    /// <summary>The bearer, as log and metrics tell it.</summary>
    public required string Name { get; init; }

    /// <summary>SHA-256 of the key in UTF-8. A key is 256 random bits, so that no slower digest is needed.</summary>
    public required byte[] Digest { get; init; }

    public DateTimeOffset Created { get; init; }

    /// <summary>From when on it opens nothing; null: never.</summary>
    public DateTimeOffset? Expires { get; init; }

    /// <summary>When it was revoked; null where it was not.</summary>
    public DateTimeOffset? Revoked { get; init; }

    /// <summary>Ids, aliases or presets that it opens; empty: all.</summary>
    public IReadOnlyList<string> Models { get; init; } = [];

    public KeyVerbs Verbs { get; init; } = UsualVerbs;

    public KeyLimits Limits { get; init; } = new();

    public bool Opens(DateTimeOffset now) => Revoked is null && !(Expires <= now);

    /// <summary>Whether it opens a model by one of its names.</summary>
    public bool OpensModel(IEnumerable<string> names) => Models.Count == 0 || names.Any(name => Models.Contains(name, StringComparer.OrdinalIgnoreCase));

    /// <summary>A fresh key, which is shown once.</summary>
    public static string Make() => Prefix + Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)).TrimEnd('=').Replace('+', '-').Replace('/', '_');

    public static byte[] DigestOf(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));

    /// <summary>Why a key cannot have this name; null where it can.</summary>
    public static string? FaultOfName(string name)
        => name.Length is > 0 and <= 64 && name.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '.' or '_' or '-' or '@')
            ? null : "must have 1 to 64 letters, digits and '.', '_', '-', '@'";
}

/// <summary>How much a key's bearer may ask for; null: as much as there is.</summary>
internal sealed record KeyLimits
{
    /// <summary>Requests that begin within a minute; that many may come at once.</summary>
    public int? RequestsPerMinute { get; init; }

    /// <summary>Requests that are answered at a time.</summary>
    public int? OpenRequests { get; init; }

    /// <summary>Tokens of prompts and answers within a minute. The request that passes the limit is answered; the next waits.</summary>
    public long? TokensPerMinute { get; init; }

    /// <summary>Tokens of prompts and answers within a day of UTC.</summary>
    public long? TokensPerDay { get; init; }

    public bool CountsTokens => TokensPerMinute is not null || TokensPerDay is not null;
}
