namespace Hearth.Runtime.Caching;

/// <summary>What a page of the cache is used for, from the least to the most.</summary>
internal enum PageUse : byte
{
    /// <summary>Nobody holds it.</summary>
    Free,

    /// <summary>Only the prefix tree holds it: it goes when its place is needed.</summary>
    Cached,

    /// <summary>One sequence holds it.</summary>
    Used,

    /// <summary>Several hold it, sequences or a sequence and the prefix tree.</summary>
    Shared,
}
